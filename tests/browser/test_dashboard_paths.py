# SPDX-FileCopyrightText: 2026 The Volme contributors
# SPDX-License-Identifier: EUPL-1.2
"""The paths that people take through the dashboard, and what happens where something is missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import AIR, GAUGE
from tests.portal_city import at, measured, said

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page, Route

    from tests.browser.conftest import Desk, Portal

# A map drawn without a graphics card is slow, and axe-core on a busy machine is slower.
pytestmark = pytest.mark.timeout(300)
_NO_WEBGL = "HTMLCanvasElement.prototype.getContext = (of => function (kind, ...rest) {"
_NO_WEBGL += "return kind.startsWith('webgl') ? null : of.call(this, kind, ...rest)})"
_NO_WEBGL += "(HTMLCanvasElement.prototype.getContext)"


async def map_of(page: Page) -> None:
    """Bring the live map."""
    await page.locator("#map").scroll_into_view_if_needed()
    await page.wait_for_selector(".map-points button", state="attached")


async def list_of(page: Page) -> None:
    """Come near to the list: only then the browser takes it over."""
    await page.locator("#karte").scroll_into_view_if_needed()
    await page.wait_for_selector(".apply", state="hidden")


async def rows(page: Page) -> list[str]:
    return await page.locator("#rows th a").all_inner_texts()


async def test_start_says_the_city_in_sentences(visitor: Desk) -> None:
    page = await (await visitor(java_script_enabled=False)).visit("/")
    assert await page.title() == "Hagen jetzt"
    card = page.locator(".card", has=page.get_by_role("link", name="Luftqualität"))
    text = " ".join((await card.inner_text()).split())
    assert "Luftgüte Graf-von-Galen-Ring: 17 µg/m³" in text
    assert "mäßig unvollständig" in text
    assert "simuliert" in text
    school = page.locator(".card", has=page.get_by_role("link", name="Luft in Schulen"))
    assert "1.500\u00a0ppm" in await school.inner_text()
    assert "auffällig" in await school.inner_text()
    parking = page.locator(".card", has=page.get_by_role("link", name="Parken"))
    assert "2 von 3 frei" in await parking.inner_text()
    areas = await page.locator(".area > h3").all_inner_texts()
    assert areas[:3] == ["Katastrophenschutz", "Mobilität", "Klima und Nachhaltigkeit"]


async def test_without_javascript_the_list_is_searched_by_the_server(visitor: Desk) -> None:
    page = await (await visitor(java_script_enabled=False)).visit("/")
    await page.get_by_label("Suchen nach Ort oder Straße").fill("galen")
    await page.get_by_role("button", name="Anzeigen").click()
    assert await rows(page) == ["Luftgüte Graf-von-Galen-Ring"]
    await page.locator("#rows a").click()
    assert await page.locator("h1").inner_text() == "Luftgüte Graf-von-Galen-Ring"
    assert "JavaScript" in await page.locator("noscript").inner_text()
    assert await page.locator("#chart-details tbody tr").count() > 5
    assert await page.locator(".drawing").is_visible()


async def test_the_list_is_searched_narrowed_and_ordered(visitor: Desk) -> None:
    page = await (await visitor()).visit("/")
    await list_of(page)
    await page.get_by_label("Suchen nach Ort oder Straße").fill("papier")
    assert await rows(page) == ["Papiercontainer Emst"]
    where = await page.locator("#rows .where").inner_text()
    assert where == "Abfall und Straße · Hagen-Mitte · simuliert"
    assert page.url.endswith("?q=papier#karte")
    await page.get_by_label("Suchen nach Ort oder Straße").fill("nirgendwo")
    assert "Keine Messstelle passt" in await page.locator("#rows").inner_text()
    await page.get_by_label("Suchen nach Ort oder Straße").fill("")
    await page.get_by_label("Thema", exact=True).select_option("wasser")
    await page.get_by_label("Sortieren nach").select_option("name")
    assert await rows(page) == ["Pegel Boele", "Pegel Eilpe", "Pegel Haspe"]
    await page.reload()
    await list_of(page)
    assert await page.get_by_label("Thema", exact=True).input_value() == "wasser"
    assert await rows(page) == ["Pegel Boele", "Pegel Eilpe", "Pegel Haspe"]
    await page.get_by_label("Thema", exact=True).select_option("")
    await page.get_by_label("Sortieren nach").select_option("level")
    assert (await page.locator("#rows tr").first.inner_text()).startswith(("Papiercontainer", "Stellplatz"))
    # However somebody writes it.
    await page.get_by_label("Suchen nach Ort oder Straße").fill("maerkischer")
    assert await rows(page) == ["Lärm Märkischer Ring"]
    await page.get_by_label("Suchen nach Ort oder Straße").fill("straße")
    found = await rows(page)
    assert len(found) > 4
    await page.get_by_label("Suchen nach Ort oder Straße").fill("STRASSE")
    assert await rows(page) == found


@pytest.mark.parametrize("scripts", [True, False])
async def test_the_table_is_ordered_by_its_columns(visitor: Desk, *, scripts: bool) -> None:
    """With JavaScript and without: a column's head orders by it, once more turns it round."""
    page = await (await visitor(java_script_enabled=scripts)).visit("/thema/wasser")
    if scripts:
        await list_of(page)
    heads = page.locator("thead th")
    assert await heads.nth(0).get_attribute("aria-sort") == "ascending"
    await heads.nth(1).get_by_role("link").click()
    await page.wait_for_selector("th[aria-sort='descending']")
    assert await rows(page) == ["Pegel Eilpe", "Pegel Haspe", "Pegel Boele"]
    await heads.nth(1).get_by_role("link").click()
    await page.wait_for_selector("th[aria-sort='ascending']")
    assert await rows(page) == ["Pegel Boele", "Pegel Haspe", "Pegel Eilpe"]
    assert "sort=-value" in page.url
    await heads.nth(0).get_by_role("link").click()
    await page.wait_for_url("**sort=name**")
    await heads.nth(0).get_by_role("link").click()
    await page.wait_for_url("**sort=-name**")
    assert await rows(page) == ["Pegel Haspe", "Pegel Eilpe", "Pegel Boele"]


async def test_a_gauge_with_thresholds_is_judged_by_them(visitor: Desk) -> None:
    page = await (await visitor()).visit("/")
    card = page.locator(".card", has=page.get_by_role("link", name="Wasser und Hochwasser"))
    assert "unauffällig" in await card.inner_text()
    await page.goto(page.url + f"station/{GAUGE}")
    await page.wait_for_selector("#chart canvas")
    assert "keine amtlichen Informationswerte" in await page.locator(".verdict").inner_text()
    option = page.locator("#chart-attribute option[value='currentLevel']")
    assert await option.get_attribute("data-bands") == "1.5,2.0"


async def test_what_is_simulated_says_so_everywhere(visitor: Desk) -> None:
    page = await (await visitor()).visit("/")
    fact = page.locator(".facts li", has_text="Wasserstand")
    assert "simuliert" in await fact.inner_text()
    # These parking spots are none.
    assert "simuliert" not in await page.locator(".facts li", has_text="Freie Stellplätze").inner_text()
    await map_of(page)
    names = await page.locator(".map-points button").evaluate_all("all => all.map(each => each.ariaLabel)")
    alone = [name for name in names if ":" in name]
    assert alone
    assert all(("simuliert" in name) != name.startswith(("Stellplatz", "Glascontainer")) for name in alone)
    for path in (f"/station/{GAUGE}", f"/embed/station/{GAUGE}", "/embed/thema/wasser", "/thema/wasser"):
        await page.goto(page.url.split("/", 3)[0] + "//" + page.url.split("/")[2] + path)
        assert await page.get_by_text("simuliert", exact=True).first.is_visible(), path


async def test_doubtful_values_say_why(visitor: Desk) -> None:
    page = await (await visitor()).visit("/station/GreenspaceRecord:hagen:stamm")
    assert await page.locator(".figures .flagged").inner_text() == "steht auffällig lange still"
    await page.goto(page.url.replace("GreenspaceRecord:hagen:stamm", "NoiseLevelObserved:hagen:laut"))
    await page.wait_for_selector("#chart canvas")
    assert "1 Wert ist als zweifelhaft" in await page.locator("#chart-summary").inner_text()
    flagged = page.locator("#chart-details tbody tr", has_text="unwahrscheinlicher Sprung")
    assert await flagged.count() == 1
    assert "63" in await flagged.inner_text()


async def test_every_station_has_its_page(visitor: Desk) -> None:
    someone = await visitor()
    page = await someone.visit("/barrierefreiheit")
    found = json.loads((await fetched(page, "/stations.json"))[2])["stations"]
    assert len(found) > 15
    for prefix in ("", "/en", "/leicht", "/embed", "/embed/en"):
        for station in found:
            status, _, text = await fetched(page, f"{prefix}/station/{station['id']}")
            assert status == 200, (prefix, station["id"])
            assert "/barrierefreiheit" in text
            assert "mailto:daten@example.org" in text


async def test_silent_stations_are_grey_and_say_since_when(visitor: Desk) -> None:
    page = await (await visitor()).visit("/station/WeatherObserved:hagen:silent")
    assert "hat seit" in await page.locator(".warn").inner_text()
    assert await page.locator(".values .chip").inner_text() == "veraltet"
    await page.goto(page.url.replace("station/WeatherObserved:hagen:silent", "thema/wetter"))
    row = page.locator("tr", has_text="Wetterstation Haspe")
    assert "old" in (await row.get_attribute("class") or "")
    assert "vor 5 Tagen" in await row.inner_text()


async def test_what_has_never_said_anything_is_not_called_outdated(visitor: Desk) -> None:
    page = await (await visitor()).visit("/station/IndoorEnvironmentObserved:hagen:leer")
    assert "noch kein Wert veröffentlicht" in await page.locator(".warn").inner_text()
    assert "veraltet" not in await page.locator("main").inner_text()
    for scripts in (True, False):
        page = await (await visitor(java_script_enabled=scripts)).visit("/thema/raumluft")
        if scripts:
            await list_of(page)
        row = page.locator("#rows tr", has_text="Raumluft Neue Schule")
        assert "noch kein Wert" in await row.inner_text()
        assert "veraltet" not in await row.inner_text()


async def test_a_station_shows_its_course(visitor: Desk, tmp_path: Path) -> None:
    page = await (await visitor()).visit(f"/station/{AIR}")
    await page.wait_for_selector("#chart canvas")
    summary = page.locator("#chart-summary")
    assert "kleinster Wert 17 µg/m³, größter 19 µg/m³" in (await summary.inner_text()).replace("\u00a0", " ")
    assert "Lücken" in await summary.inner_text()
    assert await page.locator("#chart-details tbody tr").count() == 14
    await page.get_by_label("Messgröße").select_option("pm10")
    await page.wait_for_function(
        "() => document.querySelector('#chart-summary').textContent.includes('PM10')"
    )
    await page.get_by_label("7 Tage").check()
    await page.wait_for_function(
        "() => document.querySelector('#chart-summary').textContent.includes('Mittel je Stunde')"
    )
    async with page.expect_download() as download:
        await page.locator("#chart-csv").click()
    file = tmp_path / "course.csv"
    await (await download.value).save_as(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "time,pm10 (µg/m³),min,max,quality,source"
    assert lines[1].split(",")[1:] == ["21", "21", "21", "", "simulation"]
    assert (await download.value).suggested_filename == "AirQualityObserved_hagen_ring-pm10.csv"


async def test_a_counter_shows_what_was_used(visitor: Desk) -> None:
    """Not its reading, which only rises: bars, a table in the same numbers, and words that say so."""
    page = await (await visitor()).visit("/station/ACMeasurement:hagen:zaehler")
    await page.wait_for_selector("#chart canvas")
    summary = await page.locator("#chart-summary").inner_text()
    assert "Verbrauch je" in summary
    cells = await page.locator("#chart-details tbody td:first-of-type").all_text_contents()
    assert len(cells) >= 18
    assert {cell.split()[0].split(",")[0] for cell in cells} == {"2"}


async def test_an_own_range(visitor: Desk) -> None:
    page = await (await visitor()).visit(f"/station/{GAUGE}")
    await page.wait_for_selector("#chart canvas")
    await page.get_by_label("Eigener").check()
    now = datetime.now(UTC)
    await page.get_by_label("Von", exact=True).fill((now - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M"))
    await page.get_by_label("Bis", exact=True).fill((now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M"))
    await page.get_by_role("button", name="Zeigen").click()
    await page.wait_for_function("() => document.querySelectorAll('#chart-details tbody tr').length >= 23")
    await page.get_by_label("Bis", exact=True).fill((now - timedelta(days=1)).strftime("2001-%m-%dT%H:%M"))
    await page.get_by_label("Von", exact=True).fill((now - timedelta(days=2)).strftime("2001-%m-01T%H:%M"))
    await page.get_by_role("button", name="Zeigen").click()
    await page.wait_for_function(
        "() => document.querySelector('#chart-summary').textContent.includes('nichts gemessen')"
    )


async def test_a_station_can_be_taken_along(visitor: Desk, portal: Portal) -> None:
    page = await (await visitor()).visit(f"/station/{GAUGE}")
    side = page.locator(".data")
    assert "Datenlizenz Deutschland" in await side.inner_text()
    assert "/embed/station/FloodMonitoring:hagen:eilpe" in await page.locator("#embed-code").inner_text()
    call = (await page.locator("#api-code").inner_text()).split('"')[1]
    status, _, body = await fetched(page, call.replace("http://portal.example", portal.url))
    assert status == 200
    assert json.loads(body)["currentLevel"] == pytest.approx(0.42, abs=0.5)
    for name in ("csv", "geojson"):
        status, _, _ = await fetched(page, f"/files/pegel/current.{name}")
        assert status == 200, name
    _, headers, _ = await fetched(page, f"/station/{GAUGE}")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    _, headers, _ = await fetched(page, f"/embed/station/{GAUGE}")
    assert "frame-ancestors *" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "set-cookie" not in headers


async def fetched(page: Page, path: str) -> tuple[int, dict[str, str], str]:
    answer: list[Any] = await page.evaluate(
        "async path => { const a = await fetch(path);"
        " return [a.status, Object.fromEntries(a.headers), await a.text()] }",
        path,
    )
    return answer[0], answer[1], answer[2]


async def test_water_is_no_official_warning(visitor: Desk) -> None:
    for prefix, words in (
        ("", "Keine amtliche Warnung"),
        ("/en", "Not an official warning"),
        ("/leicht", "Das ist keine Warnung"),
    ):
        page = await (await visitor()).visit(f"{prefix}/thema/wasser")
        assert await page.get_by_role("heading", name=words).is_visible()
        for link in ("https://www.hochwasserportal.nrw/", "https://warnung.bund.de/"):
            assert await page.locator(f'a[href="{link}"]').is_visible()


async def test_languages_write_numbers_their_way(visitor: Desk) -> None:
    someone = await visitor()
    page = await someone.visit("/station/ACMeasurement:hagen:zaehler")
    assert "872.378 kWh" in (await page.locator(".figures").inner_text()).replace("\u00a0", " ")
    await page.get_by_role("link", name="English").click()
    await page.wait_for_url("**/en/station/**")
    assert "872,378 kWh" in (await page.locator(".figures").inner_text()).replace("\u00a0", " ")
    await page.get_by_role("link", name="Leichte Sprache").click()
    await page.wait_for_url("**/leicht/station/**")
    assert "Die Werte von jetzt" in await page.locator("h2").first.inner_text()


async def test_light_and_dark_are_remembered(visitor: Desk) -> None:
    page = await (await visitor(color_scheme="light")).visit("/")
    before = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    await page.get_by_role("button", name="Helle oder dunkle Darstellung").click()
    after = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert before != after
    await page.reload()
    assert await page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == after
    assert await page.evaluate("[document.cookie, ...Object.keys(localStorage)].join()") == ",appearance"


async def test_values_come_live(visitor: Desk, portal: Portal) -> None:
    page = await (await visitor()).visit("/thema/parken")
    await list_of(page)
    row = page.locator("#rows tr", has_text="Stellplatz 1")
    assert "belegt" in await row.inner_text()
    moment = datetime.now(UTC) - timedelta(seconds=2)
    await portal.tell(
        "parkplaetze",
        {
            "id": "urn:ngsi-ld:ParkingSpot:hagen:platz-1",
            "type": "ParkingSpot",
            "name": said("Stellplatz 1"),
            "location": at(7.46, 51.361),
            "status": measured("free", None, moment),
        },
    )
    await page.wait_for_function(
        "() => [...document.querySelectorAll('#rows tr')]"
        ".some(({innerText}) => /Stellplatz 1/.test(innerText) && /frei/.test(innerText))"
    )
    assert "gerade eben" in await row.inner_text()


async def test_a_lost_connection_is_told(visitor: Desk) -> None:
    someone = await visitor(strict=False)
    page = someone.page
    await page.clock.install()
    await someone.visit("/")
    await page.wait_for_selector("#live[data-state='live']", state="attached")
    lost = True

    async def cut(route: Route) -> None:
        await (route.abort() if lost else route.continue_())

    await page.route("**/events**", cut)
    await page.route("**/stations.json", cut)
    await page.evaluate("dispatchEvent(new Event('offline'))")
    await page.clock.fast_forward(9_000)
    bar = page.locator("#connection")
    await page.wait_for_function(
        "() => document.querySelector('#connection').textContent.includes('unterbrochen')"
    )
    assert "Sie sehen die Werte von" in await bar.inner_text()
    lost = False
    await page.clock.fast_forward(31_000)
    await page.wait_for_function(
        "() => document.querySelector('#connection').textContent.includes('wieder da')"
    )


async def test_an_empty_city_says_so(visitor: Desk, empty_portal: Portal) -> None:
    page = await (await visitor(empty_portal)).visit("/")
    assert await page.locator(".card.empty").count() == 11
    assert "veröffentlicht noch keine Messwerte" in await page.locator("#rows").inner_text()
    assert await page.locator(".drawing").count() == 1
    await page.goto(f"{empty_portal.url}/thema/wasser")
    assert await page.get_by_role("heading", name="Noch keine Messwerte").is_visible()
    assert await page.get_by_role("heading", name="Keine amtliche Warnung").is_visible()


async def test_without_webgl_there_is_a_drawing(visitor: Desk) -> None:
    someone = await visitor()
    await someone.page.add_init_script(_NO_WEBGL)
    page = await someone.visit("/")
    await list_of(page)
    await page.wait_for_selector(".map-message")
    assert await page.locator(".drawing").is_visible()
    await page.locator(".drawing a[aria-label='Pegel Haspe (simuliert)']").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/station/FloodMonitoring:hagen:haspe")


async def test_map_and_list_show_the_same(visitor: Desk) -> None:
    page = await (await visitor(reduced_motion="reduce")).visit("/thema/wasser")
    await map_of(page)
    names = await page.locator(".map-points button").evaluate_all(
        "all => all.map(each => each.ariaLabel.split(':')[0])"
    )
    assert sorted(names) == ["Pegel Boele", "Pegel Eilpe", "Pegel Haspe"]
    await page.get_by_label("Suchen nach Ort oder Straße").fill("eilpe")
    await page.wait_for_function("() => document.querySelectorAll('.map-points button').length === 1")
    await page.locator(".map-points button").focus()
    await page.keyboard.press("Enter")
    assert await page.locator("#rows tr.marked a").inner_text() == "Pegel Eilpe"
    await page.emulate_media(color_scheme="dark")
    await page.wait_for_timeout(500)
    await page.get_by_role("button", name="Vergrößern").click()
    await page.wait_for_function("() => document.querySelectorAll('.map-points button').length === 1")


async def test_two_thousand_stations(visitor: Desk) -> None:
    """Map and list hold them: a filter is done within a few frames, and the page holds a part of the rows."""
    someone = await visitor()
    many = [
        {
            "id": f"FloodMonitoring:hagen:{number}",
            "dataset": "pegel",
            "name": f"Pegel {number}",
            "district": "Haspe" if number % 2 else "Hagen-Nord",
            "at": [7.40 + number % 50 / 250, 51.27 + number // 50 / 280],
            "simulated": True,
            "values": {"currentLevel": [number / 1000, datetime.now(UTC).isoformat()]},
            "level": number % 6,
            "word": "good" if number % 6 else None,
            "of": "currentLevel",
            "incomplete": False,
            "trend": number % 3 - 1,
        }
        for number in range(2000)
    ]
    await someone.page.route(
        "**/stations.json",
        lambda route: route.fulfill(json={"at": datetime.now(UTC).isoformat(), "stations": many}),
    )
    page = await someone.visit("/thema/wasser")
    await page.wait_for_function(
        "() => document.querySelector('.list-count').textContent.startsWith('2.000')"
    )
    assert await page.locator("#rows tr").count() <= 60
    await map_of(page)
    assert 1 < await page.locator(".map-points button").count() <= 80
    frames = await page.evaluate(
        """async () => {
          const frame = () => new Promise(requestAnimationFrame);
          await frame();
          const one = performance.now();
          for (let i = 0; i < 5; i++) await frame();
          const usual = (performance.now() - one) / 5;
          const input = document.querySelector('#sort');
          input.value = 'name';
          const two = performance.now();
          input.dispatchEvent(new Event('input', {bubbles: true}));
          await frame();
          return (performance.now() - two) / usual;
        }"""
    )
    assert frames < 40
    await page.locator(".more").click()
    assert await page.locator("#rows tr").count() == 120
    assert await page.evaluate("document.activeElement.closest('tr').rowIndex") == 61


@pytest.mark.parametrize("large", [False, True])
async def test_light_and_few_requests(
    visitor: Desk, portal: Portal, large_portal: Portal, *, large: bool
) -> None:
    """At most 60 KB before the map, typeface and all; 500 KB with its engine; with 2,000 stations, too."""
    someone = await visitor(large_portal if large else portal)
    page = someone.page
    sizes: dict[str, int] = {}
    tasks: list[Any] = []

    async def weigh(request: Any) -> None:
        if "/events" not in request.url:
            name = request.url.rpartition("/")[2].partition("?")[0] or "/"
            sizes[name] = (await request.sizes())["responseBodySize"]

    page.on("requestfinished", lambda request: tasks.append(weigh(request)))
    await someone.visit("/")
    await page.wait_for_selector("#live[data-state='live']", state="attached")
    await page.wait_for_function("() => document.documentElement.classList.contains('fonts')")
    for task in tasks:
        await task
    tasks.clear()
    assert "stations.json" not in sizes
    assert sum(sizes.values()) <= 60_000, sizes
    assert len(sizes) <= 20
    await map_of(page)
    for task in tasks:
        await task
    assert {"maplibre-gl.mjs", "stations.json"} <= set(sizes)
    # The engine's worker is asked for by itself.
    worker = await page.evaluate(
        "performance.getEntriesByType('resource').find(({name}) => /worker/.test(name)).encodedBodySize"
    )
    sizes.pop("maplibre-gl-worker.mjs", None)
    assert worker > 0
    assert sum(sizes.values()) + worker <= 500_000, sizes


async def test_printed_pages_have_no_controls(visitor: Desk) -> None:
    page = await (await visitor()).visit(f"/station/{AIR}")
    await page.wait_for_selector("#chart canvas")
    await page.emulate_media(media="print")
    for gone in (".main-nav", ".chart-form", ".copy", ".appearance"):
        assert not await page.locator(gone).first.is_visible()
    assert await page.locator("h1").is_visible()
    assert await page.locator("#chart-details table").is_visible()
