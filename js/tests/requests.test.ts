import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Model } from "../src/model/model";
import { requestsOf } from "../src/model/requests";
import type { Status } from "../src/protocol/schema";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("window", new EventTarget());
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const TRAINING: Status = { state: "running", text: "training", progress: 0.5 };

function started(send: (content: unknown) => void = () => {}) {
  const listeners = new Map<string, () => void>();
  const model = {
    get: (name: string) => (name === "_key" ? "a" : undefined),
    set() {},
    save_changes() {},
    send,
    on: (event: string, listener: () => void) => void listeners.set(event, listener),
    off: (event: string) => void listeners.delete(event),
  } as Model;
  const status = { value: TRAINING, set() {} };
  const lifetime = new AbortController();
  const requests = requestsOf<{ type: string }>(model, status, lifetime.signal);
  return { requests, lifetime, listeners, hear: (event: string) => listeners.get(event)?.() };
}

it("is gone when nothing answers, whatever the saved status says, and back when it does", () => {
  const { requests, hear } = started();
  expect([requests.gone.value, requests.status.value]).toEqual([false, TRAINING]);
  vi.advanceTimersByTime(5000);
  expect(requests.gone.value).toBe(true);
  expect(requests.status.value).toMatchObject({ state: "silent" });
  hear("msg:custom");
  expect([requests.gone.value, requests.status.value]).toEqual([false, TRAINING]);
});

it.each(["msg:custom", "change:status", "change:reading"])("takes %s as an answer", (sign) => {
  const { requests, hear } = started();
  hear(sign);
  vi.advanceTimersByTime(5000);
  expect(requests.gone.value).toBe(false);
});

it("asks again when the kernel comes or goes", () => {
  const sent: unknown[] = [];
  const { requests, hear } = started((content) => void sent.push(content));
  hear("msg:custom");
  hear("comm_live_update");
  expect(sent).toHaveLength(2);
  vi.advanceTimersByTime(5000);
  expect(requests.gone.value).toBe(true);
});

it("a request without an answer is an error, at once where there is no kernel", () => {
  const { requests, hear } = started();
  hear("msg:custom");
  requests.request({ type: "job.cancel" });
  expect(requests.gone.value).toBe(false);
  vi.advanceTimersByTime(5000);
  expect(requests.status.value).toMatchObject({ state: "error" });
  const page = started(() => {
    throw new Error("This page has no kernel.");
  });
  const text = "This page has no kernel.";
  expect(page.requests.status.value).toMatchObject({ state: "silent", text });
  page.requests.request({ type: "job.cancel" });
  expect(page.requests.status.value).toMatchObject({ state: "error", text });
});

it("asks when somebody is at the page, but not at every touch", () => {
  const sent: unknown[] = [];
  const { requests, hear } = started((content) => void sent.push(content));
  hear("msg:custom");
  vi.advanceTimersByTime(5000);
  for (let i = 0; i < 9; i++) window.dispatchEvent(new Event("pointerdown"));
  expect(sent).toHaveLength(2);
  hear("msg:custom");
  vi.advanceTimersByTime(2999);
  expect(sent).toHaveLength(2);
  // The kernel may have gone since: what was done in between is not forgotten.
  vi.advanceTimersByTime(1);
  expect(sent).toHaveLength(3);
  vi.advanceTimersByTime(3000);
  expect(requests.gone.value).toBe(true);
  vi.advanceTimersByTime(9000);
  expect(sent).toHaveLength(3);
});

it("ends with its view", () => {
  const { requests, lifetime, listeners } = started();
  lifetime.abort();
  vi.advanceTimersByTime(5000);
  expect(listeners.size).toBe(0);
  expect(requests.gone.value).toBe(false);
});
