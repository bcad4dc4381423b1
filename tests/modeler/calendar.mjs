// Reads a calendar (RFC 5545) from standard input by ical.js, as Thunderbird does, and prints its event as JSON.
import { readFileSync } from "node:fs";

import ICAL from "ical.js";

const calendar = new ICAL.Component(ICAL.parse(readFileSync(0, "utf8")));
const events = calendar.getAllSubcomponents("vevent");
const event = new ICAL.Event(events[0]);
console.log(
  JSON.stringify({
    events: events.length,
    method: calendar.getFirstPropertyValue("method"),
    status: events[0].getFirstPropertyValue("status"),
    uid: event.uid,
    sequence: event.sequence,
    summary: event.summary,
    location: event.location,
    start: event.startDate.toJSDate().toISOString(),
    organizer: event.organizer,
    attendees: event.attendees.map((attendee) => attendee.getFirstValue()),
  }),
);
