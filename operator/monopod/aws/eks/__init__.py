"""EKS, as far as Fargate is in it: profiles, their tags, and the one cluster that there is."""
