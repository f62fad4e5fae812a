"""Jobs: many pictures, restored in one go. What the command line, a service and a cluster do alike.

Inputs, outputs, what is done, and what was done. Pictures come and go one by one; nothing here holds more than a few.
"""

from darnet.jobs.encoding import Encoding
from darnet.jobs.engine import Engine
from darnet.jobs.job import Agenda, Done, Job
from darnet.jobs.local import Local
from darnet.jobs.many import restore_many
from darnet.jobs.outputs import Task
from darnet.jobs.profile import Profile, check_profile
from darnet.jobs.report import Report, check_report, report_for
from darnet.jobs.shard import Shard

__all__ = [
    "Agenda",
    "Done",
    "Encoding",
    "Engine",
    "Job",
    "Local",
    "Profile",
    "Report",
    "Shard",
    "Task",
    "check_profile",
    "check_report",
    "report_for",
    "restore_many",
]
