"""A task's life: how far it is, what its pod has to do with that, and what is to be done next.

    (no status) ──begin──► PROVISIONING ──pod has a node──► PENDING ──every container has started──► RUNNING
                                │                              │                                       │
                                └──────────── a cause to stop (`causes`): desired STOPPED ◄────────────┘
                                                               │
                                   its containers have ended: DEPROVISIONING ──► STOPPED

A step moves the task by one arrow at most, and each arrow counts the version up by one, as on AWS, so that whoever
watches sees every version, and an operator that was away makes up for all of them. The only memory is the status:
whoever is killed between two steps leaves nothing behind that the next one doesn't find.

The pod is created behind a scheduling gate of its own and released once the task's record names it. So no pod runs that
the record doesn't know, none that admission hasn't put into a sandbox of the task's size, and never a second one.
"""
