"""`kubectl fargate cost`: what pods cost, summed."""
