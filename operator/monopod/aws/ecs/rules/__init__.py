"""What ECS says and takes, apart from any request to the API server."""
