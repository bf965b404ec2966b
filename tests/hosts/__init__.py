"""Several hosts on one machine: `python -m tests.hosts`, or `make hosts`. Needs root and network namespaces.

Each host is a network namespace with an address, a name and processes of its own, on one bridge (`network`).
Three web hosts stand behind a proxy of the tests' own (`proxy`: the machine needs neither haproxy nor nginx),
two hosts run the writer and its standby, three hosts a Redis and a Sentinel each (`queues`), two hosts
PostgreSQL, the second one as a synchronous replica (`database`). `service` puts them together, `scenarios`
cut links, kill processes and hosts, and promote, under the load of the torture test, whose checker looks at
the whole history after each scenario.

A link is cut by a rule that drops what comes in at both its ends: connections are blackholed, not closed.
Everything lives in name spaces of one process, for the network, mounts and processes: when it ends, however
it ends, the kernel ends all that it started.

Which epoch a commit belongs to is noted by a trigger, in the transaction itself (`commits`).
"""
