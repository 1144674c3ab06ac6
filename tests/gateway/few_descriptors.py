"""The gateway with few file descriptors: a soft limit of 256 and a hard one of 1,024."""

import resource
import runpy

HARD_LIMIT = 1024

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, HARD_LIMIT))
    runpy.run_module("services.gateway", run_name="__main__", alter_sys=True)
