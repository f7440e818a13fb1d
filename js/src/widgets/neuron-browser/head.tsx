/** The table's head: a click sorts, the small histograms below filter. */
import type { ComponentChildren } from "preact";
import { memo } from "../../view/memo";
import type { Column } from "./columns";
import { GridRow, HeadCell, RowGroup } from "./grid-parts";
import type { Layout } from "./layout";
import { RangeFilter } from "./range-filter";
import type { State } from "./state";
import "./head.css";

/** Pixels of the head. */
export const HEAD = 62;

interface HeadProps {
  state: State;
  /** As `sorting` names it. */
  name: string;
  title: string;
  about: string;
  children?: ComponentChildren;
}

function SortHead({ state, name, title, about, children }: HeadProps) {
  const { column, descending } = state.sorting.value;
  const sorted = column === name;
  return (
    <HeadCell aria-sort={sorted ? (descending ? "descending" : "ascending") : "none"}>
      <button
        type="button"
        class="nw-sort"
        title={`${about} Click to sort.`}
        onClick={() => state.sortBy(name)}
      >
        <span>{title}</span>
        <span aria-hidden="true">{sorted ? (descending ? "▾" : "▴") : ""}</span>
      </button>
      {children}
    </HeadCell>
  );
}

function PlainHead({ title, about }: { title: string; about: string }) {
  return (
    <HeadCell title={about}>
      <span class="nw-head-title">{title}</span>
    </HeadCell>
  );
}

function NumberHead({ state, column }: { state: State; column: Column }) {
  return (
    <SortHead state={state} name={column.name} title={column.title} about={column.about}>
      <RangeFilter
        column={column}
        limits={state.filters.value[column.name] ?? [null, null]}
        onLimits={(limits) => state.limit(column.name, limits)}
      />
    </SortHead>
  );
}

function Head({ state, layout }: { state: State; layout: Layout }) {
  const { match, concepts, scores, named, noPromotes, promotes } = layout;
  return (
    <RowGroup class="nw-grid-head">
      <GridRow aria-rowindex={1}>
        <HeadCell>
          <span class="nw-hidden">selected and pinned</span>
        </HeadCell>
        <SortHead state={state} name="neuron" title="neuron" about="The neuron’s number." />
        {match && <NumberHead state={state} column={match} />}
        {concepts && <NumberHead state={state} column={concepts} />}
        <PlainHead
          title="top samples"
          about="Which samples activate the neuron most? Click one to light it on the map."
        />
        {named && <PlainHead title="names" about="What are its concepts called?" />}
        {promotes &&
          (noPromotes ? (
            <PlainHead title={promotes.title} about={noPromotes} />
          ) : (
            <NumberHead state={state} column={promotes} />
          ))}
        <PlainHead
          title="activations"
          about="How are its activations spread, from the smallest to the largest? Heights are square roots."
        />
        {scores.map((column) => (
          <NumberHead key={column.name} state={state} column={column} />
        ))}
        <PlainHead title="note" about="Your note on the neuron." />
      </GridRow>
    </RowGroup>
  );
}

/** Scrolling changes nothing in the head, and its histograms cost as much as some rows. */
export const TableHead = memo(Head);
