"""Commands in running tasks: sessions between the plugin of AWS's CLI and Kubernetes' exec."""
