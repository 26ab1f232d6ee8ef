"""`kubectl fargate nodes`: on which hosts sandboxed pods run, a line for each pod."""
