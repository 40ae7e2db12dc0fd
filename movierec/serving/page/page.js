// The page of the recommender. Whatever comes from the service is shown as text, never as HTML.
"use strict";

const KEY = "movierec";            // in the local storage: what you entered, and the random number
const TOKEN = "movierec-token";    // in the session storage: ends with the tab
const MOST_BUTTONS = 10;           // one for each number of stars; a number to type for more
const MOST_RATED = 200;            // films in one question; the service takes no more
const SEARCH_MS = 60;              // after the last key
const at = id => document.getElementById(id);
const about = JSON.parse(document.body.dataset.about);
const glyphs = about.levels.length <= MOST_BUTTONS && about.levels.every((level, place) => level === place + 1);
const usual = { minutes: 360, familiarity: 0.5, diversity: 0.3, first: about.years[0], last: about.years[1], include: "", exclude: "" };

// ---- what is kept in this browser

const memory = new Map();  // where a browser keeps nothing
const kept = {
  read(store, key) { try { return window[store].getItem(key); } catch { return memory.get(key) ?? null; } },
  write(store, key, text) { try { window[store].setItem(key, text); } catch { memory.set(key, text); } },
  remove(store, key) { memory.delete(key); try { window[store].removeItem(key); } catch { /* nothing was kept */ } },
};

function newVisitor() {
  const numbers = crypto.getRandomValues(new BigUint64Array(1));
  const number = 1n + (numbers[0] >> 2n);
  return about.user_type === "int" ? `-${number}` : `visitor-${number}`;  // users of a data set have no such number
}

function restored() {
  const fresh = { visitor: newVisitor(), stars: [], genres: [], evening: { ...usual } };
  try {
    const old = JSON.parse(kept.read("localStorage", KEY)) ?? {};
    const [least, most] = [about.levels[0], about.levels.at(-1)];
    const isFilm = one => typeof one.movie_id === "string" && typeof one.title === "string" && one.stars >= least && one.stars <= most;
    const visitor = typeof old.visitor === "string" && old.visitor.startsWith(fresh.visitor[0]) ? old.visitor : fresh.visitor;
    const evening = { ...usual, ...old.evening };
    return {
      visitor, evening, stars: (old.stars ?? []).filter(isFilm).slice(-MOST_RATED),
      genres: (old.genres ?? []).filter(genre => about.genres.includes(genre)),
    };
  } catch {  // another page's, or of an older version
    return fresh;
  }
}

let state = restored();
const keep = () => kept.write("localStorage", KEY, JSON.stringify(state));

// ---- the service

async function ask(method, path, body, signal) {
  const headers = body ? { "content-type": "application/json" } : {};
  const token = kept.read("sessionStorage", TOKEN);
  if (token) headers.authorization = "Bearer " + String.fromCharCode(...new TextEncoder().encode(token));
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The service does not answer. Is it still running?");
  }
  if (answer.status === 401) at("access").hidden = false;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.detail ?? `The service answered ${answer.status}.`);
  return content;
}

const underWay = {};  // what: an AbortController; a newer question ends an older one

async function latest(what, method, path, body) {
  underWay[what]?.abort();
  const mine = underWay[what] = new AbortController();
  try {
    const answer = await ask(method, path, body, mine.signal);
    if (underWay[what] !== mine) return null;
    at("error").textContent = "";
    return answer;
  } catch (error) {
    if (error.name !== "AbortError" && underWay[what] === mine) at("error").textContent = error.message;
    return null;
  }
}

// ---- parts

function make(name, properties = {}, ...children) {
  const { data = {}, aria = {}, ...others } = properties;
  const made = Object.assign(document.createElement(name), others);
  Object.assign(made.dataset, data);
  for (const [key, value] of Object.entries(aria)) made.setAttribute(key === "role" ? key : `aria-${key}`, value);
  made.append(...children);
  return made;
}

const starsOf = movieId => state.stars.find(one => one.movie_id === movieId)?.stars;

// The control that gives a film its stars: one stop of the Tab key, arrows within, Enter gives, digits give at once.
function starsControl(film) {
  const label = `Your stars for ${film.title}`;
  if (about.levels.length > MOST_BUTTONS) {
    const [min, max] = [about.levels[0], about.levels.at(-1)];
    const input = make("input", { type: "number", min, max, step: "any", value: starsOf(film.movie_id) ?? max, aria: { label } });
    const give = make("button", { type: "button", className: "wide", textContent: "Give", aria: { label: `Give ${film.title} these stars` } });
    give.onclick = () => input.reportValidity() && rate(film, Number(input.value));
    return make("div", { className: "stars", data: { movie: film.movie_id } }, input, give);
  }
  const buttons = about.levels.map(level => make("button", {
    type: "button", textContent: glyphs ? "☆" : `${level}★`, title: `${level} stars`, data: { level },
    aria: { label: `${level} ${level === 1 ? "star" : "stars"}` },
  }));
  const group = make("div", { className: glyphs ? "stars glyphs" : "stars", aria: { role: "group", label }, data: { movie: film.movie_id } }, ...buttons);
  group.onclick = event => {
    const button = event.target.closest("button");
    if (button) rate(film, Number(button.dataset.level));
  };
  group.onkeydown = event => {
    const here = buttons.indexOf(document.activeElement);
    const next = { ArrowRight: here + 1, ArrowUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (next !== undefined) {
      event.preventDefault();
      const chosen = buttons[Math.max(0, Math.min(next, buttons.length - 1))];
      for (const button of buttons) button.tabIndex = button === chosen ? 0 : -1;
      chosen.focus();
    } else if (/^\d$/.test(event.key) && about.levels.includes(Number(event.key))) {
      event.preventDefault();
      rate(film, Number(event.key));
    }
  };
  mark(group);
  return group;
}

function mark(group) {  // the stars that were given
  const stars = starsOf(group.dataset.movie);
  const buttons = [...group.querySelectorAll("[data-level]")];
  for (const button of buttons) {
    const level = Number(button.dataset.level);
    button.setAttribute("aria-pressed", level === stars);
    button.classList.toggle("given", stars !== undefined && level <= stars);
    if (glyphs) button.textContent = stars !== undefined && level <= stars ? "★" : "☆";
    button.tabIndex = (stars === undefined ? level === about.levels.at(-1) : level === stars) ? 0 : -1;
  }
}

function filmRow(film, aboutFilm, ...controls) {
  const words = make("div", {}, make("div", { className: "title", textContent: film.title }));
  for (const text of aboutFilm.filter(Boolean)) words.append(make("div", { className: "about", textContent: text }));
  return make("li", {}, words, ...controls);
}

// Put rows in the place of others; the focus stays with its film, or with its place if that film is gone.
function fill(list, rows) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? [...list.children].indexOf(focused.closest("li")) : -1;
  const movie = focused?.closest("[data-movie]")?.dataset.movie, level = focused?.dataset.level;
  list.replaceChildren(...rows);
  if (place < 0) return;
  const group = [...list.querySelectorAll("[data-movie]")].find(one => one.dataset.movie === movie);
  const row = list.children[Math.min(place, list.children.length - 1)];
  const next = group?.querySelector(`[data-level="${level}"]`) ?? row?.querySelector("button[tabindex='0'], input") ?? at("search");
  next.focus();
}

// ---- what the page shows

function showRated() {
  const rows = state.stars.toReversed().map(film => {
    const remove = make("button", { type: "button", className: "remove", textContent: "×", title: "remove", aria: { label: `Remove ${film.title}` } });
    remove.onclick = () => {
      state.stars = state.stars.filter(one => one.movie_id !== film.movie_id);
      changed();
    };
    return filmRow(film, [], make("div", { className: "row" }, starsControl(film), remove));
  });
  fill(at("rated"), rows);
  at("rated-empty").hidden = rows.length > 0;
  document.querySelectorAll("#found .stars").forEach(mark);
}

function showGenres() {
  const chips = at("genres");
  if (!chips.children.length) {
    chips.append(...about.genres.map(genre => {
      const chip = make("button", { type: "button", textContent: genre });
      chip.onclick = () => {
        state.genres = state.genres.includes(genre) ? state.genres.filter(one => one !== genre) : [...state.genres, genre];
        changed();
      };
      return chip;
    }));
    if (!about.genres.length) chips.append("This model was trained without genres.");
  }
  for (const chip of chips.querySelectorAll("button")) chip.setAttribute("aria-pressed", state.genres.includes(chip.textContent));
}

const wishes = () => ({
  stars: state.stars.map(({ movie_id, stars }) => ({ movie_id, stars })), genres: state.genres, visitor: state.visitor,
});

function dropUnknown(answer) {  // films that this model does not have: it may be another one than last time
  if (!answer.unknown.length) return;
  state.stars = state.stars.filter(one => !answer.unknown.includes(one.movie_id));
  keep();
  showRated();
}

async function showList() {
  const begun = performance.now();
  const answer = await latest("list", "POST", "/page/list", wishes());
  if (!answer) return;
  dropUnknown(answer);
  at("based-on").textContent = answer.says;
  at("list-empty").hidden = answer.movies.length > 0;
  fill(at("list"), answer.movies.map(film => {
    const expected = film.predicted_stars === null ? "" : `expected ${film.predicted_stars.toFixed(1)}\u00a0★`;
    return filmRow(film, [[film.genres.join(", "), expected].filter(Boolean).join(" · "), film.because], starsControl(film));
  }));
  performance.measure("list", { start: begun, end: performance.now() });
}

async function showEvening() {
  const { minutes, familiarity, diversity, first, last, include, exclude } = state.evening;
  const limits = first > about.years[0] || last < about.years[1] ? { first, last } : {};  // otherwise films without a year, too
  const named = { ...(include && { include }), ...(exclude && { exclude }) };
  const answer = await latest("evening", "POST", "/page/evening", { ...wishes(), minutes, familiarity, diversity, ...limits, ...named });
  if (!answer) {
    if (at("error").textContent) at("evening").replaceChildren();
    return;
  }
  dropUnknown(answer);
  const total = answer.movies.reduce((sum, film) => sum + film.minutes, 0);
  at("evening-says").textContent = `${answer.movies.length} films, ${total} minutes (running times are not known: each film counts ${about.minutes_per_film}).`;
  fill(at("evening"), answer.movies.map(film => filmRow(film, [film.genres.join(", "), `${film.why} choice`], starsControl(film))));
}

const isEvening = () => !at("panel-evening").hidden;
const showResults = () => isEvening() ? showEvening() : showList();  // only what is seen is asked for, and logged

function changed() {
  keep();
  showRated();
  showGenres();
  return showResults();
}

function rate(film, stars) {
  const others = state.stars.filter(one => one.movie_id !== film.movie_id);
  state.stars = [...others, { movie_id: film.movie_id, title: film.title, stars }].slice(-MOST_RATED);
  changed();
}

async function search() {
  const text = at("search").value;
  const answer = await latest("search", "GET", "/page/films?" + new URLSearchParams({ text }));
  if (!answer) return;
  fill(at("found"), answer.movies.map(film => filmRow(film, [film.genres.join(", ")], starsControl(film))));
  const count = answer.movies.length;
  at("search-says").textContent = !text.trim() ? "Before you type: the most rated films."
    : count ? (count === 1 ? "1 film found." : `${count} films found, the most rated first.`)
    : "No film has a title like that. Try a single word of it.";
}

// ---- what you do

function tab(name) {
  for (const one of ["list", "evening"]) {
    const chosen = one === name, button = at(`tab-${one}`);
    button.setAttribute("aria-selected", chosen);
    button.tabIndex = chosen ? 0 : -1;
    at(`panel-${one}`).hidden = !chosen;
  }
  at("error").textContent = "";
  showResults();
}

function showWishes() {
  for (const [name, value] of Object.entries(state.evening)) at(name).value = value;
  for (const name of ["minutes", "familiarity", "diversity"]) at(`${name}-shown`).textContent = state.evening[name];
}

function readWishes() {
  const { evening } = state;
  for (const name of ["minutes", "familiarity", "diversity"]) evening[name] = Number(at(name).value);
  const years = ["first", "last"].map((name, end) => Math.trunc(Number(at(name).value)) || about.years[end]);
  [evening.first, evening.last] = years;
  for (const name of ["include", "exclude"]) evening[name] = at(name).value;
  for (const name of ["minutes", "familiarity", "diversity"]) at(`${name}-shown`).textContent = evening[name];
  keep();
  showEvening();
}

async function forget() {
  try {
    const deleted = await ask("DELETE", `/users/${encodeURIComponent(state.visitor)}/events`);
    kept.remove("localStorage", KEY);
    kept.remove("sessionStorage", TOKEN);
    state = { visitor: newVisitor(), stars: [], genres: [], evening: { ...usual } };
    at("search").value = "";
    at("forget-says").textContent = `Forgotten: your stars and genres, and ${deleted.impressions} lines of the service about what it showed you. From now on you have another random number.`;
    showWishes();
    search();
    changed();
  } catch (error) {
    at("forget-says").textContent = `Nothing was forgotten, because the service could not delete its lines. ${error.message}`;
  }
}

for (const name of ["include", "exclude"]) at(name).append(...about.genres.map(genre => make("option", { textContent: genre, value: genre })));
for (const name of ["first", "last"]) Object.assign(at(name), { min: about.years[0], max: about.years[1] });
let typed;
at("search").oninput = () => {
  clearTimeout(typed);
  typed = setTimeout(search, SEARCH_MS);
};
at("search").onkeydown = event => {
  if (event.key === "ArrowDown") at("found").querySelector("button[tabindex='0'], input")?.focus();
};
at("wishes").oninput = readWishes;
at("wishes").onsubmit = event => event.preventDefault();
at("forget").onclick = forget;
at("access").onsubmit = event => {
  event.preventDefault();
  kept.write("sessionStorage", TOKEN, at("token").value);
  at("access").hidden = true;
  search();
  showResults();
};
for (const name of ["list", "evening"]) {
  at(`tab-${name}`).onclick = () => tab(name);
  at(`tab-${name}`).onkeydown = event => {
    if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    const other = { Home: "list", End: "evening" }[event.key] ?? (name === "list" ? "evening" : "list");
    at(`tab-${other}`).focus();
    tab(other);
  };
}
const waiting = () => make("li", { className: "waiting", aria: { hidden: "true" } });
at("list").append(...Array.from({ length: Math.min(10, about.movies) }, waiting));  // the room of the list that comes
showRated();
showGenres();
showWishes();
keep();
document.querySelector("main").hidden = at("jump").hidden = false;
search();
showResults();
