"""Load balancers that carry what is sent: a listener on loopback for each of theirs, beside MiniStack's own port.

* `wire`: heads and bodies of HTTP/1.1, passed on as they come
* `targets`: who is registered, who is healthy, who is to be left alone
* `exchange`: one request to one target, and its answer back
* `place`: where they listen
* `balancers`: listeners and targets as MiniStack has them at the moment, in a thread of their own

Plain HTTP alone, a single action *forward* to targets by address. What is not here goes through MiniStack as before.
"""
