"""Formats: every format, as GroupLens and RecBole write it, and every way in which a file can be wrong."""

import random
import zipfile
from hashlib import sha256

import pytest

from movierec.data import clean, download, fingerprint, load
from movierec.data.movielens import load_genome, load_links, read_raw
from tests.data.conftest import assert_same, rows, write_zip

ATOMIC = "recbole/dataset_example/ml-100k/"
NO_FLAGS = "|0" * 18

# The six movies, five ratings and two users of ML-100K below, as GroupLens and as RecBole write them.
GROUPLENS = {
    "ml-100k/u.data": "196\t242\t3\t881250949\n196\t3\t5\t881250950\n2\t1412\t1\t881250951\n"
    "2\t267\t4\t881250952\n2\t9\t2\t881250953\n",
    "ml-100k/u.item": "242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|"
    "0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    "3|Double vie de Véronique, La (Double Life of Veronique, The) (1991)|01-Jan-1991||"
    "http://us.imdb.com/Title?Double+vie|0|0|0|0|0|0|0|0|1|0|0|0|0|0|1|0|0|0|0\n"
    "1412|Land Before Time III: The Time of the Great Giving (1995) (V)|01-Jan-1995||"
    "http://us.imdb.com/M|0|0|0|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    f"267|unknown||||1{NO_FLAGS}\n"
    f"1373|Good Morning (1971)|4-Feb-1971||http://us.imdb.com/M|1{NO_FLAGS}\n"
    '9|Marlene "Dietrich": Shadow and Light (1996) |02-Apr-1996||http://us.imdb.com/M|'
    "0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0\n",
    "ml-100k/u.user": "196|49|M|writer|55105\n2|53|F|other|T8H1N\n",
}
RECBOLE = {
    ATOMIC + "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    + GROUPLENS["ml-100k/u.data"],
    ATOMIC + "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tKolya\t1996\tComedy\n"
    "3\tDouble vie de Véronique, La (Double Life of Veronique, The)\t1991\tDrama Romance\n"
    "1412\tLand Before Time III: The Time of the Great Giving (1995)\tV\tAnimation Children's\n"
    "267\tunkonwn\tunkonwn\tunknown\n"
    "1373\tGood Morning\t1971\tunknown\n"
    '9\tMarlene "Dietrich": Shadow and Light\t1996\tDocumentary\n',
    ATOMIC + "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "196\t49\tM\twriter\t55105\n2\t53\tF\tother\tT8H1N\n",
}
ML_1M = {
    "ml-1m/ratings.dat": "1::1193::5::978300760\n6040::9::4::956704746\n",
    "ml-1m/movies.dat": "9::Star Wars: Episode IV - A New Hope (1977)::Action|Sci-Fi\n"
    "1193::Misérables, Les (1995)::Drama\n",
    "ml-1m/users.dat": "1::F::1::10::48067\n6040::M::25::6::11106-2117\n",
}
ML_10M = {
    "ml-10M100K/ratings.dat": "1::122::5::838985046\n71567::9::0.5::1231131737\n",
    "ml-10M100K/movies.dat": "9::Amélie (Fabuleux destin d'Amélie Poulain, Le) (2001)::Comedy|Romance\n"
    "122::Pull My Daisy (1958)::(no genres listed)\n",
    "ml-10M100K/tags.dat": "15::9::excellent!::1215184630\n20::122::null::1188263867\n",
}
CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n2,9,0.5,1537799250\n",
    "movies.csv": "movieId,title,genres\n"
    '11,"American President, The (1995)",Comedy|Drama|Romance\n'
    '9,"""Great Performances"" Cats (1998)",Musical\n'
    "140956,Ready Player One,Action|Sci-Fi|Thriller\n"
    "5,Fawlty Towers (1975-1979),(no genres listed)\n",
    "tags.csv": 'userId,movieId,tag,timestamp\n2,11,"funny, very",1445714994\n2,9,NA,1445714996\n',
    "links.csv": "movieId,imdbId,tmdbId\n",
    "README.txt": "Summary\n",
}


@pytest.fixture
def archive(publish, monkeypatch):
    """Write an archive and publish it; of RecBole's files, write the wheel."""

    def write(name: str, files: dict[str, str], encoding: str = "utf-8"):
        path = publish(name, files, encoding)
        if files is RECBOLE:
            path = path.rename(path.with_name(download.WHEEL))
            hashes = {name.removeprefix(ATOMIC): sha256(text.encode()).hexdigest() for name, text in files.items()}
            monkeypatch.setattr(download, "WHEEL_SHA256", sha256(path.read_bytes()).hexdigest())
            monkeypatch.setattr(download, "ATOMIC_SHA256", hashes)
        return path

    return write


def csv_family(name: str) -> dict[str, str]:
    return {f"{name}/{member}": text for member, text in CSV.items()}


def test_ml_100k_as_grouplens_writes_it(archive, tmp_path):
    archive("ml-100k", GROUPLENS, "latin-1")
    data = load("ml-100k", tmp_path)
    assert repr(data) == "MovieLens(5 ratings, 6 movies, 2 users, no tags)"
    assert rows(data.ratings) == [
        (196, 242, 3.0, 881250949),
        (196, 3, 5.0, 881250950),
        (2, 1412, 1.0, 881250951),
        (2, 267, 4.0, 881250952),
        (2, 9, 2.0, 881250953),
    ]
    assert rows(data.movies) == [
        (242, "Kolya (1996)", 1996, "Comedy"),
        (3, "La Double vie de Véronique (The Double Life of Veronique) (1991)", 1991, "Drama|Romance"),
        (1412, "Land Before Time III: The Time of the Great Giving (1995) (V)", 1995, "Animation|Children's"),
        (267, "unknown", None, ""),
        (1373, "Good Morning (1971)", 1971, ""),
        (9, 'Marlene "Dietrich": Shadow and Light (1996)', 1996, "Documentary"),
    ]
    assert rows(data.users) == [(196, 49, "M", "writer", "55105"), (2, 53, "F", "other", "T8H1N")]
    assert data.tags is None
    assert data.ratings.dtypes.astype(str).tolist() == ["int32", "int32", "float32", "int64"]
    assert data.movies.dtypes.astype(str).tolist() == ["int32", "str", "Int64", "str"]
    assert list(data.users) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert data.users.age.dtype == "int64"


def test_ml_100k_is_the_same_from_the_wheel_whose_members_are_checked(archive, tmp_path, monkeypatch):
    grouplens = archive("ml-100k", GROUPLENS, "latin-1")
    one = read_raw("ml-100k", tmp_path)
    grouplens.unlink()
    archive("ml-100k", RECBOLE)
    other = read_raw("ml-100k", tmp_path)
    assert_same(one, other)
    assert_same(clean(one)[0], clean(other)[0])
    assert fingerprint(one) == fingerprint(other)
    monkeypatch.setitem(download.ATOMIC_SHA256, "ml-100k.user", "0" * 64)
    with pytest.raises(FileNotFoundError, match=r"ml-100k\.user must have SHA-256 0{64}; it has \w{64}\. D"):
        read_raw("ml-100k", tmp_path)


def test_ml_1m(archive, tmp_path):
    archive("ml-1m", ML_1M, "latin-1")
    data = load("ml-1m", tmp_path)
    assert repr(data) == "MovieLens(2 ratings, 2 movies, 2 users, no tags)"
    assert rows(data.ratings) == [(1, 1193, 5.0, 978300760), (6040, 9, 4.0, 956704746)]
    star_wars = (9, "Star Wars: Episode IV - A New Hope (1977)", 1977, "Action|Sci-Fi")
    assert rows(data.movies) == [star_wars, (1193, "Les Misérables (1995)", 1995, "Drama")]
    assert list(data.users) == ["user_id", "age", "gender", "occupation", "zip_code"]
    doctor = (6040, 25, "M", "doctor/health care", "11106-2117")
    assert rows(data.users) == [(1, 1, "F", "K-12 student", "48067"), doctor]


def test_ml_10m(archive, tmp_path):
    archive("ml-10m", ML_10M)
    data = load("ml-10m", tmp_path)
    assert repr(data) == "MovieLens(2 ratings, 2 movies, no users, 2 tags)"
    assert rows(data.ratings) == [(1, 122, 5.0, 838985046), (71567, 9, 0.5, 1231131737)]
    amelie = (9, "Amélie (Le Fabuleux destin d'Amélie Poulain) (2001)", 2001, "Comedy|Romance")
    assert rows(data.movies) == [amelie, (122, "Pull My Daisy (1958)", 1958, "")]
    assert rows(data.tags) == [(15, 9, "excellent!", 1215184630), (20, 122, "null", 1188263867)]


@pytest.mark.parametrize("name", [name for name in download.ARCHIVES if name not in ("ml-100k", "ml-1m", "ml-10m")])
def test_the_csv_family(name, archive, tmp_path):
    archive(name, csv_family(name))
    data = load(name, tmp_path)
    assert repr(data) == "MovieLens(2 ratings, 4 movies, no users, 2 tags)"
    assert rows(data.ratings) == [(1, 11, 4.0, 964982703), (2, 9, 0.5, 1537799250)]
    assert rows(data.movies) == [
        (11, "The American President (1995)", 1995, "Comedy|Drama|Romance"),
        (9, '"Great Performances" Cats (1998)', 1998, "Musical"),
        (140956, "Ready Player One", None, "Action|Sci-Fi|Thriller"),
        (5, "Fawlty Towers (1975-1979)", 1975, ""),
    ]
    assert rows(data.tags) == [(2, 11, "funny, very", 1445714994), (2, 9, "NA", 1445714996)]


@pytest.mark.parametrize(
    "name, files, folder",
    [("ml-100k", GROUPLENS, "."), ("ml-100k", GROUPLENS, "ml-100k"), ("ml-100k", RECBOLE, "ml-100k")]
    + [("ml-10m", ML_10M, "ml-10m"), ("ml-10m", ML_10M, ".")],
)
def test_an_unpacked_folder_is_read_in_place(name, files, folder, archive, tmp_path, monkeypatch):
    path = archive(name, files, "latin-1" if files is GROUPLENS else "utf-8")
    monkeypatch.setitem(download.ARCHIVES, name, download.Archive(1, None, 5 if name == "ml-100k" else 2))
    expected = read_raw(name, tmp_path)
    with zipfile.ZipFile(path) as opened:
        for member in files:
            target = tmp_path / "raw" / folder / member.removeprefix(ATOMIC)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(opened.read(member))
    path.unlink()
    assert_same(read_raw(name, tmp_path), expected)


def test_a_missing_member_is_named(archive, tmp_path):
    path = archive("ml-1m", {name: text for name, text in ML_1M.items() if "users" not in name}, "latin-1")
    with pytest.raises(FileNotFoundError) as error:
        load("ml-1m", tmp_path)
    assert str(error.value) == (
        f"{path}/ml-1m/users.dat is missing; found: movies.dat, ratings.dat. Delete {path} and run "
        'movierec.load("ml-1m") again: the archive is fetched anew.'
    )


@pytest.mark.parametrize(
    "name, member, text, line, shown",
    [
        ("ml-1m", "ml-1m/ratings.dat", "1::2::3::4\n1::2::x::4\n", 2, "1::2::x::4"),
        ("ml-1m", "ml-1m/ratings.dat", "1::2::3::4\n1::2::3\n", 2, "1::2::3"),
        ("ml-1m", "ml-1m/ratings.dat", "1::2::3::4::5\n", 1, "1::2::3::4::5"),
        ("ml-1m", "ml-1m/ratings.dat", "1::2::3::99999999999999999999\n", 1, "1::2::3::99999999999999999999"),
        ("ml-1m", "ml-1m/movies.dat", "9::Heat (1995)::Action\n10::Sabr", 2, "10::Sabr"),
        ("ml-10m", "ml-10M100K/tags.dat", "1::9::a::5\n2::9::\udce9t\udce9::5\n", 2, r"2::9::\\xe9t\\xe9::5"),
        ("ml-latest", "ml-latest/movies.csv", 'id,title,genres\n1,"A, B",War\n2,A, B,War\n', 3, "2,A, B,War"),
        ("ml-latest", "ml-latest/ratings.csv", "userId,movieId,rating,timestamp\n1,2,,4\n", 2, "1,2,,4"),
    ],
    ids=["not a number", "too short", "too long", "too large", "cut off", "not UTF-8", "bare comma", "empty"],
)
def test_a_malformed_row_is_named_by_file_and_line(name, member, text, line, shown, archive):
    files = {"ml-1m": ML_1M, "ml-10m": ML_10M}.get(name) or csv_family(name)
    path = archive(name, files | {member: text})
    with pytest.raises(ValueError) as error:
        load(name, path.parent.parent)
    assert str(error.value).startswith(f"{path}/{member}: every line must be ")
    assert f"; line {line} is '{shown}'. Mend that line, or: Delete {path} and run" in str(error.value)


def test_an_archive_that_unpacks_to_far_more_than_it_has_is_not_read(tmp_path):
    """40 MB of zeros in 40 kB; a thousand and one members; members that share their bytes."""
    path = tmp_path / "raw/ml-latest.zip"
    members = csv_family("ml-latest")
    for more, reason in [
        ({"zeros": "0" * 40_000_000}, r"6 members unpack to 40,000,\d+ bytes, of [34]\d,\d+; at most 20 times as many"),
        ({f"{number}": "" for number in range(1000)}, "its 1,005 members unpack to"),
    ]:
        write_zip(path, members | more)
        with pytest.raises(FileNotFoundError, match=reason):
            load("ml-latest", tmp_path)
    write_zip(path, {"random": random.Random(0).randbytes(10_000).hex()} | members)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as opened:
        directory = opened.start_dir
        entry = whole[directory : whole.index(b"PK\1\2", directory + 4)]  # of the first member
    end = bytearray(whole[whole.index(b"PK\5\6") :])
    again = whole[directory : whole.index(b"PK\5\6")] + 50 * entry
    end[8:10] = end[10:12] = (len(members) + 51).to_bytes(2, "little")
    end[12:16] = len(again).to_bytes(4, "little")
    path.write_bytes(whole[:directory] + again + bytes(end))
    with pytest.raises(FileNotFoundError, match="its 56 members unpack to .*that do not overlap"):
        load("ml-latest", tmp_path)


def cut(whole: bytes, start: int, size: int, place: int) -> bytes:
    return whole[:200]


def flipped(whole: bytes, start: int, size: int, place: int) -> bytes:
    return whole[: start + 60] + bytes([whole[start + 60] ^ 0xFF]) + whole[start + 61 :]  # inside the ratings


def locked(whole: bytes, start: int, size: int, place: int) -> bytes:
    assert start == 0
    return whole[:6] + b"\1" + whole[7 : place + 8] + b"\1" + whole[place + 9 :]  # the flag of a password, twice


def shorter(whole: bytes, start: int, size: int, place: int) -> bytes:
    assert whole[place + 24 : place + 28] == size.to_bytes(4, "little")
    return whole[: place + 24] + (size - 25).to_bytes(4, "little") + whole[place + 28 :]  # without the last row


@pytest.mark.parametrize(
    ("harm", "reason"), [(cut, ""), (flipped, ""), (locked, "encrypted|password"), (shorter, "CRC-32")]
)
def test_a_damaged_archive_without_a_checksum_is_refused(harm, reason, tmp_path):
    path = write_zip(tmp_path / "raw/ml-latest.zip", csv_family("ml-latest"))
    with zipfile.ZipFile(path) as opened:  # ratings.csv is the first member
        member = opened.getinfo("ml-latest/ratings.csv")
        harmed = harm(path.read_bytes(), member.header_offset, member.file_size, opened.start_dir)
    path.write_bytes(harmed)
    with pytest.raises(FileNotFoundError, match=f"must be a whole zip archive; it is damaged or cut .*({reason})"):
        load("ml-latest", tmp_path)


def test_a_made_up_folder_does_not_pass_as_ml_100k(ml100k, tmp_path):
    """It has 100,000 rows, users and films as published, and one star is another."""
    folder = tmp_path / "raw/ml-100k"
    folder.mkdir(parents=True)
    ratings = ml100k.ratings.astype({"rating": "int64"})
    ratings.loc[7, "rating"] = 6 - ratings.loc[7, "rating"]
    ratings.to_csv(folder / "u.data", sep="\t", header=False, index=False)
    for name in ("u.item", "u.user"):
        (folder / name).write_text("")
    with pytest.raises(
        FileNotFoundError, match=r"u\.data must have SHA-256 06416e597f82b734.*it has \w{64}\. Delete .*own"
    ):
        load("ml-100k", tmp_path)


def test_the_known_checksums_are_those_of_the_published_ratings(ml100k):
    """u.data is the table in the order of the file; others publish the same checksum."""
    text = ml100k.ratings.astype({"rating": "int64"}).to_csv(sep="\t", header=False, index=False, lineterminator="\n")
    assert sha256(text.encode()).hexdigest() == download.MEMBERS_100K["u.data"]


@pytest.mark.parametrize(
    ("counts", "wrong"),
    [
        ((9,), "9 ratings of ml-1m; it holds 2"),
        ((2, 9), "9 users of ml-1m; it holds 2"),
        ((2, 2, 2, 1), "1 tags"),
        ((2, 2, 9), "9 movies of ml-1m; it holds 2"),
    ],
)
def test_a_folder_must_have_as_many_rows_users_films_and_tags_as_was_published(counts, wrong, tmp_path, monkeypatch):
    monkeypatch.setitem(download.ARCHIVES, "ml-1m", download.Archive(1, None, *counts))
    for member, text in ML_1M.items():
        path = tmp_path / "raw" / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="latin-1")
    with pytest.raises(FileNotFoundError, match=f"must hold the {wrong}"):
        load("ml-1m", tmp_path)


# ---- the tag genome

GENOME = {
    "genome-tags.csv": 'tagId,tag\n2,"war, cold"\n1,007\n',
    "genome-scores.csv": "movieId,tagId,relevance\n9,1,0.025\n9,2,1\n4,2,0.5\n4,1,0\n",
}


def test_the_tag_genome_is_a_table_of_movies_and_tags(archive, tmp_path):
    archive("ml-25m", csv_family("ml-25m") | {f"ml-25m/{member}": text for member, text in GENOME.items()})
    for _ in range(2):  # then from the cache
        genome = load_genome("ml-25m", tmp_path)
        assert genome.index.tolist() == [4, 9] and genome.index.name == "movie_id"
        assert genome.columns.tolist() == ["007", "war, cold"] and (genome.dtypes == "float32").all()
        assert genome.to_numpy().tolist() == [[0.0, 0.5], [pytest.approx(0.025), 1.0]]
    assert sorted(path.name for path in (tmp_path / "cache/tables").iterdir()) == ["ml-25m-genome"]
    assert repr(load("ml-25m", tmp_path)) == "MovieLens(2 ratings, 4 movies, no users, 2 tags)"


@pytest.mark.parametrize("lines", ["9,1,0.5\n", "9,1,0.5\n9,1,0.5\n", "9,1,0.5\n9,3,0.5\n"])
def test_a_tag_genome_with_holes_is_refused(lines, archive, tmp_path):
    """Too few, one twice, and one of an unknown tag."""
    scores = {"genome-scores.csv": "movieId,tagId,relevance\n" + lines}
    archive("ml-20m", {f"ml-20m/{member}": text for member, text in (GENOME | scores).items()})
    with pytest.raises(FileNotFoundError, match=r"each of 1 movies and 2 tags, 2 in all; it holds [12]\. Delete"):
        load_genome("ml-20m", tmp_path)


def test_links_keep_their_zeros_and_may_be_missing(archive, tmp_path):
    links = "movieId,imdbId,tmdbId\n1,0114709,862\n4,0113189,\n"
    archive("ml-25m", csv_family("ml-25m") | {"ml-25m/links.csv": links})
    table = load_links("ml-25m", tmp_path)
    assert rows(table) == [(1, "0114709", "862"), (4, "0113189", "")]
    assert list(table) == ["movie_id", "imdb_id", "tmdb_id"] and str(table["movie_id"].dtype).startswith("int")


@pytest.mark.parametrize(
    ("read", "without", "words", "member"),
    [
        (load_links, "ml-10m", "links, ml-20m, .* ml-latest-small; got 'ml-10m'. Join by", r"links\.csv"),
        (load_genome, "ml-32m", "genome, ml-20m, ml-25m, ml-latest; got 'ml-32m'", r"genome-tags\.csv"),
    ],
)
def test_a_data_set_without_links_or_genome_is_refused_with_those_that_have_them(
    read, without, words, member, archive, tmp_path
):
    for name in (without, "nix"):
        with pytest.raises(ValueError, match=words.replace(without, name)):
            read(name, tmp_path)
    archive("ml-20m", {name: text for name, text in csv_family("ml-20m").items() if "links" not in name})
    with pytest.raises(FileNotFoundError, match=rf"{member} is missing; found: .*ratings\.csv"):
        read("ml-20m", tmp_path)
