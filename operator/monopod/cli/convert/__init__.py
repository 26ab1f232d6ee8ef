"""`kubectl fargate convert`: FargateProfiles from those of other tools."""
