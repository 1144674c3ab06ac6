"""What the models of a worker cost: measured when they are loaded, corrected by the jobs that run, told by heartbeats.

* `counts`: what engines count of each attempt and each model
* `measuring`: first times of a model, from its warm-up
* `rates`: how these times change with the calls and jobs that run
* `texts`: what is learned of texts: tokens of a character, and how much is written
* `speed`: work-seconds a second of a full worker
* `prices`: all of it, for the models of a worker; and the work that an attempt has taken
"""
