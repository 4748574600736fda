-- wrk's script: one request for each token of a file, in turn, from the one that the last argument
-- says. What came of them goes out as JSON.
local requests, at = {}, 0

function init(args)
  local method = args[2]
  at = tonumber(args[3])
  for token in io.lines(args[1]) do
    requests[#requests + 1] =
      wrk.format(method, nil, { ["Authorization"] = "Bearer " .. token })
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary)
  local failed = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, failed.status,
    failed.connect + failed.read + failed.write + failed.timeout))
end
