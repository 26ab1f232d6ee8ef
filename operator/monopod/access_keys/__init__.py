"""Access keys: what signs requests to the AWS endpoint stands for a user of Kubernetes."""
