-- Write as a submit does, so that what would refuse it is known before: a full disk, a replica, missing rights.
-- Nothing changes but one key that goes by itself. No model has an empty name, so there is no such queue.
redis.call('SET', P .. 'probe', 1, 'EX', 60)
redis.call('DEL', 'triptych.')
redis.call('PUBLISH', P .. 'wake', '')
return 1
