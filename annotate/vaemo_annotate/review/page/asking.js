// Asking the server. Every request says which run this page is about: another one may be served at the same address.

export const RUN = document.querySelector("meta[name=review-run]").content;
export const UNREACHABLE = "the server does not answer; is it still running?";

// What the browser keeps for this run alone.
export const keptAs = (name) => `vaemo-review-${name}-${RUN}`;

export function address(path, parameters = {}) {
  return `${path}?${new URLSearchParams({ ...parameters, run: RUN })}`;
}

// Returns {response, content}; content always has `error` where something went wrong. Throws nothing.
export async function answerOf(path, parameters = {}, settings = {}) {
  const response = await fetch(address(path, parameters), settings).catch(() => null);
  if (response === null) return { response, content: { error: UNREACHABLE } };
  const content = await response.json().catch(() => ({ error: `the server answers ${response.status} and no more` }));
  return { response, content };
}

// Returns the content of a good answer. Throws an Error that says why there is none.
export async function ask(path, parameters = {}) {
  const { response, content } = await answerOf(path, parameters);
  if (response === null || !response.ok) throw new Error(content.error);
  return content;
}
