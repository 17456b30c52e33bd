-- Send the requests of a file in turn, as they stand there: whole HTTP requests, each followed by a NUL. So a request
-- costs the generator no more than an index. With `once` each is sent only once, and the run ends after the last.
sent = 0 -- global, so that done() can ask the thread for it
local requests, once = {}, false

function init(arguments)
  for line in io.open(arguments[1], "rb"):read("*a"):gmatch("(%Z+)%z") do
    requests[#requests + 1] = line
  end
  once = arguments[2] == "once"
end

function request()
  if once and sent == #requests then
    wrk.thread:stop()
    return requests[#requests]
  end
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

local the_thread

function setup(thread)
  the_thread = thread
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("\nresult %d %d %d", summary.duration, summary.requests, the_thread:get("sent")))
  io.write(string.format(" %d %d %d %d %d", errors.connect, errors.read, errors.write, errors.status, errors.timeout))
  for _, percentile in ipairs({50, 90, 99, 99.9}) do
    io.write(string.format(" %d", latency:percentile(percentile)))
  end
  io.write(string.format(" %d\n", latency.max))
end
