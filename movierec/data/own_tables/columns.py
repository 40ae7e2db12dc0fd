"""What the columns of your own tables are called, in a header or without one."""

from __future__ import annotations

import re

from movierec.data.formats import GENRES

USER = "user userid uid username customerid customer reviewerid memberid viewerid visitorid accountid personid | u"
MOVIE = (
    "movie movieid film filmid item itemid iid product productid show showid video videoid contentid titleid anime "
    "animeid artist artistid track trackid song songid game gameid book bookid "
    "| id imdbid tconst const tmdbid asin parentasin isbn | i m"
)
TIME = (
    "timestamp | time ts unixreviewtime unixtimestamp ratingtimestamp datetime ratedat dateofrating watcheddate "
    "watchedat createdat daterated eventtime | date day created reviewtime t"
)
TITLE = "title movietitle filmtitle itemtitle producttitle primarytitle | name moviename filmname | originaltitle"
YEAR = "year releaseyear startyear | releasedate"
GENRE = "genres genre genrelist | category categories listedin class"
# In every line the best name comes first; of two names between the same bars, it is doubtful which one is meant.
SPELLINGS = {
    "ratings": {
        "user_id": f"userid | {USER}",
        "movie_id": f"movieid | {MOVIE.replace(' id ', ' ')}",
        "rating": "rating | ratings stars star score overall yourrating userrating movierating starrating bookrating "
        "ratingvalue ratingscore grade rate rating10 rating100 | value r",
        "timestamp": TIME,
        "title": TITLE,
        "year": YEAR,
        "genres": GENRE,
    },
    "movies": {"movie_id": f"movieid | {MOVIE}", "title": TITLE, "year": YEAR, "genres": GENRE},
    "users": {
        "user_id": f"userid | {USER} id",
        "age": "age",
        "gender": "gender sex",
        "occupation": "occupation job profession",
        "zip_code": "zipcode zip postcode postalcode",
    },
    "tags": {
        "user_id": f"userid | {USER}",
        "movie_id": f"movieid | {MOVIE.replace(' id ', ' ')}",
        "tag": "tag tags tagname | keyword keywords label",
        "timestamp": TIME,
    },
}
NEEDED = {"ratings": ["user_id", "movie_id"], "movies": ["movie_id"], "users": ["user_id"]}
NEEDED["tags"] = ["user_id", "movie_id", "tag"]
COUNTS = {
    "count", "counts", "plays", "playcount", "listens", "listencount", "views", "viewcount", "clicks", "purchases",
    "quantity", "weight",
}  # fmt: skip
ONE_PERSON = [{"letterboxduri"}, {"const", "yourrating"}]  # Letterboxd's and IMDb's exports of one person
ME = "me"


def match_columns(header: list[str], noun: str, where: str) -> tuple[dict[str, int], list[str]]:
    """Return {our name: place in the header} of the columns that are understood, and lines to be said.

    Case, `_`, spaces and `-` do not count, nor does RecBole's ":token". ValueError if two columns fit one name equally.
    """
    keys = [_key(name) for name in header]
    found = {}
    said = []
    for column, spellings in SPELLINGS[noun].items():
        for tier in spellings.split("|"):
            places = [place for place, key in enumerate(keys) if key in tier.split() and place not in found.values()]
            exact = [place for place in places if str(header[place]).strip() == column]
            places = exact if len(exact) == 1 else places
            if len(places) > 1:
                names = [str(header[place]).strip() for place in places]
                raise ValueError(
                    f"{where} must have one column for {column}; {' and '.join(names)} fit it alike. Leave all but one "
                    f"out, e.g. table.drop(columns={names[-1]!r}), or call the right one {column}."
                )
            if places:
                found[column] = places[0]
                if keys[places[0]] != column.replace("_", ""):
                    said.append(f"{str(header[places[0]]).strip()} is taken for {column}")
                break
    if noun == "ratings" and "rating" not in found:
        counts = [str(name) for name, key in zip(header, keys, strict=True) if key in COUNTS]
        said += [f"{name} counts, and does not rate: it is left out" for name in counts]
    return found, said


def count_known(header: list[str], noun: str) -> int:
    """Return how many of the names in a header are known."""
    known = set(" ".join(SPELLINGS[noun].values()).split())
    return sum(_key(name) in known for name in header)


def _key(name: object) -> str:
    text = re.sub(r":(token|float)(_seq)?$", "", str(name).strip().lower())
    return re.sub(r"[\W_]", "", text)


def is_one_person(header: list[str]) -> bool:
    """Return whether these are the columns of Letterboxd's or IMDb's export, which has no column of users."""
    keys = {_key(name) for name in header}
    return any(marks <= keys for marks in ONE_PERSON)


def columns_without_header(rows: list[list[str]], noun: str) -> list[str] | None:
    """Return what the columns of a file without a header are, in the order of MovieLens; None if that is doubtful."""
    first = rows[0]
    width = len(first)
    are_numbers = [all(len(row) > place and is_number(row[place]) for row in rows) for place in range(width)]
    if noun == "ratings" and width in (3, 4) and all(are_numbers):
        return ["user_id", "movie_id", "rating", "timestamp"][:width]
    if noun == "movies" and width in (2, 3) and are_numbers[0] and not are_numbers[1]:
        return ["movie_id", "title", "genres"][:width]
    if noun == "movies" and width == 5 + len(GENRES) and are_numbers[0] and all(are_numbers[5:]):  # u.item
        return ["movie_id", "title", "", "", "", *GENRES]
    if noun == "users" and width == 5 and are_numbers[0]:
        order = ["age", "gender", "occupation"] if are_numbers[1] else ["gender", "age", "occupation"]
        return ["user_id", *order, "zip_code"]
    if noun == "tags" and width == 4 and are_numbers[0] and are_numbers[1] and are_numbers[3]:
        return ["user_id", "movie_id", "tag", "timestamp"]
    return None


def is_number(text: str) -> bool:
    """Return whether a text is a number, with a decimal comma or point."""
    return re.fullmatch(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*", text) is not None


def check_needed(found: dict[str, int], header: list[str], noun: str, where: str) -> None:
    """Raise ValueError unless the columns are there without which a table means nothing."""
    missing = [column for column in NEEDED[noun] if column not in found]
    if "title" in found:  # a film may be known by its name
        missing = [column for column in missing if column != "movie_id"]
    if noun == "ratings" and is_one_person(header):
        missing = [column for column in missing if column != "user_id"]
    if not missing:
        return
    if any(is_number(str(name)) for name in header):
        names = list(SPELLINGS[noun])[: max(len(header), 2)]
        raise ValueError(
            f"{where} must name its columns in its first line; none is known in {','.join(map(str, header))[:120]!r}. "
            f"Give the names in the right order: movierec.read(pandas.read_csv(…, names={names}))."
        )
    example = {"ratings": "user_id, movie_id, rating, timestamp", "movies": "movie_id, title, genres"}
    example |= {"users": "user_id, age, gender", "tags": "user_id, movie_id, tag, timestamp"}
    first = ",".join(map(str, header))[:120]
    unknown = [str(name) for place, name in enumerate(header) if place not in found.values()] or [""]
    renamed = "{" + f"{unknown[0]!r}: {missing[0]!r}" + "}"
    raise ValueError(
        f"{where} must name its columns in its first line, such as {example[noun]}, in any order; "
        f"{', '.join(missing)} is missing. Its first line is {first!r}. Rename the columns, or read the file yourself: "
        f"movierec.read takes a table, too: table = pandas.read_csv(…).rename(columns={renamed})."
    )
