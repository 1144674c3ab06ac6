"""What a job costs, in work-seconds: one second of a worker that is full. Pure functions, without I/O.

* `demand`: what a request asks for, as far as it is known without a tokenizer
* `profile`: what a model costs on the workers that serve it, and what is learned of its texts
* `estimate`: from both to a price, and from true counts to the work that was done
"""
