-- Record how much of running jobs is done: inputs, or parts of them. ARGV: id, attempt, done, total, …
for i = 1, #ARGV, 4 do
  local job, done, total = load(ARGV[i]), ARGV[i + 2], ARGV[i + 3]
  if owns(job, ARGV[i + 1]) then
    save(job, 'progress', {progress_done = done, progress_total = total}, 'done', done, 'total', total)
  end
end
return 1
