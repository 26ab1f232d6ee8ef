"""What RunTask makes of a request and a task definition: the tasks that are asked for, or why there are none."""
