"""AWS's wire: requests in AWS's protocols, their signatures, their answers and errors. Knows nothing of Kubernetes."""
