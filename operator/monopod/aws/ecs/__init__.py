"""ECS, answered from the kinds of `ecs.monopod.dev`: whoever made an object, both sides see it."""
