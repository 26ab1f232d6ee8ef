"""What Fargate would do with a pod, decided in plain Python: no cluster, no clock, no input or output.

The admission policies tell the same decision a second time, in CEL, inside the API server. A differential test holds
the two equal, so a change here is a change there. Functions take pods as the dicts that the API server sends.
"""
