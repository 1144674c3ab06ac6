"""What all workers share: the process, attempts at jobs, engines, model packages, tokenizing.

Never imports Flask. Only `workers.runtime.process` imports Celery.
"""
