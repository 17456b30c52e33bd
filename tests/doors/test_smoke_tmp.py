from tests.support.people import Person
async def test_smoke(alice: Person) -> None:
    lst = await alice.list()
    await alice.task(title="Büro äöü "*20, due_at="2026-12-01T08:00:00Z", reminders=[{"minutes_before": 30}], labels=["a,b"], description="x\ny")
    await alice.task(title="s", due_at="2026-12-01T08:00:00Z", recurrence={"rule":"FREQ=WEEKLY;COUNT=5","timezone":"Europe/Berlin"})
    r = await alice.http.post("/v1/calendars", json={"all": True})
    print(r.status_code, r.text)
    url = r.json()["url"]
    got = await alice.http.get(url, headers={"Authorization": ""})
    print(got.status_code, got.text, got.headers)
    again = await alice.http.get(url, headers={"If-None-Match": got.headers["etag"]})
    print(again.status_code, again.text)
    print((await alice.http.get("/v1/calendars")).text)
    assert 0
