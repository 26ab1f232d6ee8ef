"""Pure decisions of ECS Exec: frames, the order of messages, tokens, what may be asked for."""
