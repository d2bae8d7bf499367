"""A worker in Python, written from docs/protocol.md: python3 worker.py amqp://localhost/%2F zagflow texts"""
import json, os, socket, sys, threading, time, uuid
import pika


def count_words(args):
    time.sleep(args.get("seconds", 0))
    return {"words": len(args["text"].split())}


TASKS = {"text.count": count_words}  # by name: from arguments to what the task provides
url, ns, topic = sys.argv[1:4]
me, places = f"python-{uuid.uuid4()}", 4
running, held = {}, {}  # by key: calls that run here, and calls whose owner was asked
link = pika.BlockingConnection(pika.URLParameters(url))
tx, rx = link.channel(), link.channel()
tx.confirm_delivery()  # publishing waits for the confirm, and raises if no queue took the message
now = lambda: int(time.time() * 1000)
key_of = lambda c: f"{c['flowId']}/{c['atom']}#{c['direction']}.{c['call']}"
about = lambda c, *more: {k: c[k] for k in ("jobId", "flowId", "atom", "direction", "call", "token", *more)}


def say(to, type, **members):
    body = json.dumps({"v": 1, "type": type, "worker": me, **members}, allow_nan=False)
    lives = None if type in ("result", "failure", "unknown") else "60000"  # hints are said again
    properties = pika.BasicProperties("application/json", type=type, delivery_mode=2, expiration=lives)
    tx.basic_publish(f"{ns}.replies", to, body, properties, mandatory=True)


def take(_, delivery, properties, body):  # a copy of a request
    try:
        call, tag, to = json.loads(body), delivery.delivery_tag, properties.reply_to
        assert call["v"] == 1 and call["type"] == "request" and to.startswith(f"{ns}.replies.")
        call |= {"to": to, "tags": [tag], "hold": tag, "redelivered": delivery.redelivered}
        key, is_old = key_of(about(call)), now() - call["publishedAt"] > call["askAfterMs"]
        known, doubtful = running.get(key) or held.get(key), call["redelivered"] or call["again"] or is_old
    except Exception:  # no request: to the dead-letter queue
        return rx.basic_reject(delivery.delivery_tag, requeue=False)
    if known:
        known["tags"].append(tag)  # one body for all copies
    elif call["task"] not in TASKS:
        settle(call, "unknown", task=call["task"])
    elif doubtful:
        held[key] = call
        ask([call])
    else:
        start(key, call)


def start(key, call):
    running[key] = call | {"startedAt": now()}
    threading.Thread(target=run, args=(key, running[key]), daemon=True).start()


def run(key, call):  # in a thread, so that the link lives
    try:
        result = TASKS[call["task"]](call["args"]) if call["direction"] == "execute" else None
        json.dumps(result, allow_nan=False)
        answer = {"type": "result", "result": result}
    except Exception as error:
        failure = {"code": "TaskFailed", "message": str(error), "name": type(error).__name__}
        answer = {"type": "failure", "failure": failure, "outcome": "failure"}
    link.add_callback_threadsafe(lambda: settle(running.pop(key), startedAt=call["startedAt"], **answer))


def settle(call, type, **members):  # first the answer is safe, then its copies may go
    say(call["to"], type, **about(call), **members)
    for tag in call["tags"]:
        rx.basic_ack(tag)


def listen(_, delivery, __, body):  # an owner has a word
    rx.basic_ack(delivery.delivery_tag)
    word = json.loads(body)
    for call in word["calls"]:
        key = key_of(call)
        if key in held and call.get("hold", held[key]["hold"]) != held[key]["hold"]:
            continue  # about a copy that was here before
        if word["type"] == "report" and key in running:
            report(word["replyTo"], running[key])
        elif word["type"] == "go" and key in held:
            start(key, held.pop(key))
        elif word["type"] == "drop" and key in held:
            for tag in held.pop(key)["tags"]:
                rx.basic_ack(tag)
        elif word["type"] == "cancel" and key in held:
            failure = {"code": "Cancelled", "message": call["reason"]}
            settle(held.pop(key), "failure", failure=failure, outcome="unknown", startedAt=now())


def ask(calls):
    for call in calls:
        say(call["to"], "ask", calls=[about(call, "redelivered", "again", "hold")])


def report(to, call):
    say(to, "running", calls=[about(call, "startedAt")])


def tell():
    ask(held.values())
    for call in running.values():
        report(call["to"], call)
    load = {"running": len(running), "held": len(held), "concurrency": places}
    served = {"topics": [topic], "tasks": list(TASKS), "load": load, "leaseMs": 30_000}
    say(f"{ns}.announcements", "announce", name="python", host=socket.gethostname(), pid=os.getpid(), **served)
    link.call_later(5, tell)


limits = {"x-queue-type": "quorum", "x-delivery-limit": 100, "x-overflow": "reject-publish"}
limits |= {"x-dead-letter-exchange": f"{ns}.dead", "x-dead-letter-strategy": "at-least-once"}
rx.queue_declare(f"{ns}.topic.{topic}", durable=True, arguments=limits)
rx.queue_bind(f"{ns}.topic.{topic}", f"{ns}.requests", topic)
rx.queue_declare(f"{ns}.control.{me}", exclusive=True, arguments={"x-queue-type": "classic"})
rx.queue_bind(f"{ns}.control.{me}", f"{ns}.control", me)
rx.basic_qos(prefetch_count=places)  # of each consumer: no more calls at once than that
rx.basic_consume(f"{ns}.topic.{topic}", take)
rx.basic_consume(f"{ns}.control.{me}", listen)
tell()
print(f"ready: {', '.join(TASKS)}", flush=True)
rx.start_consuming()  # a lost link ends the process, and its bodies: its copies come to others, who ask
