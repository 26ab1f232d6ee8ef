"""What is told to people's own systems by a webhook: that pods are interrupted, or will be ended for a patch."""
