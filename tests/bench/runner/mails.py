"""How fast notifications are delivered to Postfix's smtp-sink, against smtp-source with as many connections and as
large mails."""

import time

from system import run, say, wait

SENDERS = 16
# Of a mail of three slots without a calendar entry, with its headers.
BYTES = 2900


def measure(bench):
    mails = bench.options.mails
    bench.details["mails"] = {"connections": SENDERS, "mails a round": mails}
    deliver(bench, mails)
    parley, once, kept = [], [], []
    for round_number in range(bench.options.rounds):
        say(f"mails: round {round_number + 1} of {bench.options.rounds}")
        once.append(generate(bench, mails))
        kept.append(generate(bench, mails, "-d"))
        bench.parley.sql("vacuum analyze")
        parley.append(deliver(bench, mails))
    bench.promises["dispatch"].measured(parley, once, "smtp-source")
    bench.promises["dispatch, kept connections"].measured(parley, kept, "smtp-source -d")


def generate(bench, mails, *options):
    begin = time.monotonic()
    run("/usr/sbin/smtp-source", *options, "-s", SENDERS, "-m", mails, "-l", BYTES, "-f", "parley@example.com", "-t",
        "guest@example.org", bench.sink)
    return mails / (time.monotonic() - begin)


def deliver(bench, mails):
    """Delivers as many mails as are wanted; the rate from the begin of the first attempt to the end of the last. What
    was delivered before stays. The ids are made as Parley makes them."""
    begin = bench.parley.sql("select now()")
    bench.parley.sql(f"""
        insert into notifications (notification_id, event_id, recipient_id, sender_id, state, create_time, attempts,
                                   next_attempt_time, pending_since, cause)
        select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::int8), 12, '0')
                || substr(replace(gen_random_uuid()::text, '-', ''), 13))::uuid,
               p.event_id, p.user_id, p.user_id, 'PENDING', now(), 0, now(), now(), 'NOTIFY_PARTIES'
        from (select p.* from event_parties p join events e using (event_id)
              where p.user_id <> e.initiator_id limit {mails}) p""")

    def delivered():
        # Seldom, since to ask costs as much as some mails; the newest are sent last.
        time.sleep(0.5)
        return bench.parley.sql("""
            select count(*) from (select from notifications where state = 'PENDING' order by notification_id desc
                                  limit 1) as one""") == "0"

    wait(300, delivered, f"not all mails were delivered: see {bench.parley.state}/logs/notification.log")
    return float(bench.parley.sql(f"""
        select count(*) filter (where outcome = 'ACCEPTED') / extract(epoch from max(end_time) - min(start_time))
        from delivery_attempts where start_time >= '{begin}'"""))
