# python3 publish.py USER_ID   tells presence that a user has just been active in another service.
# It needs pika: "apt-get install python3-pika" on Debian, "pip install pika" elsewhere.
import json
import os
import sys
from datetime import datetime, timezone

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()  # Now basic_publish raises unless the event is on the broker's disk.

event = {
    "type": "heartbeat",
    "user_id": int(sys.argv[1]) if len(sys.argv) > 1 else 1,
    "occurred_at": datetime.now(timezone.utc).isoformat(),
    "source": "billing",
}
channel.basic_publish(
    exchange="presence.events",
    routing_key="presence.heartbeat",
    body=json.dumps(event),
    properties=pika.BasicProperties(content_type="application/json", delivery_mode=2),
    mandatory=True,
)
connection.close()
print("published", event)
