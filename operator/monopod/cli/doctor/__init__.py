"""`kubectl fargate doctor`: what keeps Monopod from working on a cluster."""
