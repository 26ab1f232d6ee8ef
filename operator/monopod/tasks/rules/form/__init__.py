"""Whether a task definition is of the form that the service's model describes."""
