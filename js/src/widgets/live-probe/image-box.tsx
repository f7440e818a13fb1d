/** A box to drop an image on and to paint it, with the map of the neuron's activation over it. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { backgroundOf } from "../../core/background";
import type { ReadingsMessage, Slot } from "../../protocol/probe";
import { Segmented } from "../../view/segmented";
import type { State } from "./state";
import { Total } from "./total";
import "../../view/previews.css";
import "./image-box.css";

type Brush = "cover" | "draw";
const BRUSHES = [
  { value: "cover" as Brush, text: "cover", title: "What is it without this part?" },
  { value: "draw" as Brush, text: "draw", title: "What does a stroke add?" },
];
/** The side of the brush, as a share of the image's longer side. */
const SIDE = 1 / 7;

interface Props {
  state: State;
  data: ReadingsMessage;
  box: number;
}

export function ImageBox({ state, data, box }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const file = useRef<HTMLInputElement>(null);
  const brush = useSignal<Brush>("cover");
  const over = useSignal(false);
  /** The image before it was painted on; null where it was not. */
  const original = useSignal<DataView | null>(null);
  /** What this view has painted, which its canvas shows already. */
  const own = useRef(new WeakSet<DataView>());

  useSignalEffect(() => {
    const bytes = state.images[box].value;
    if (bytes && own.current.has(bytes)) return;
    original.value = null;
    draw(canvas.current, bytes);
  });

  const load = async (blob: Blob | null | undefined) => {
    if (blob) state.paint(box, new DataView(await blob.arrayBuffer()));
  };
  const stroke = (event: PointerEvent) => {
    const node = canvas.current;
    const pen = node?.getContext("2d", { willReadFrequently: true });
    if (!node?.width || !pen || !(event.buttons & 1)) return;
    original.value ??= state.images[box].value;
    const area = node.getBoundingClientRect();
    const side = Math.max(1, Math.round(Math.max(node.width, node.height) * SIDE));
    const x = ((event.clientX - area.left) / area.width) * node.width;
    const y = ((event.clientY - area.top) / area.height) * node.height;
    const ground = backgroundOf(pen.getImageData(0, 0, node.width, node.height));
    pen.fillStyle = brush.value === "cover" ? ground.color : ground.opposite;
    const size = brush.value === "cover" ? side : Math.max(1, Math.round(side / 3));
    pen.fillRect(Math.round(x - size / 2), Math.round(y - size / 2), size, size);
    node.toBlob(async (blob) => {
      if (!blob) return;
      const bytes = new DataView(await blob.arrayBuffer());
      own.current.add(bytes);
      state.paint(box, bytes);
    });
  };
  const slot = state.slots.value[box];
  const name = box === 0 ? "image" : "second image";
  return (
    <section aria-label={name}>
      <div class="nw-image-tools">
        <Segmented
          label="brush"
          segments={BRUSHES}
          chosen={brush.value}
          onChoose={(next) => {
            brush.value = next;
          }}
        />
        <button type="button" onClick={() => file.current?.click()}>
          file…
        </button>
        <input
          ref={file}
          type="file"
          accept="image/*"
          class="nw-hidden"
          tabIndex={-1}
          aria-hidden="true"
          onChange={({ currentTarget }) => {
            load(currentTarget.files?.[0]);
            currentTarget.value = "";
          }}
        />
        <button
          type="button"
          disabled={!original.value}
          onClick={() => original.value && state.paint(box, original.value)}
        >
          reset
        </button>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button "file…" does the same */}
      <div
        class={`nw-drop-target ${over.value ? "nw-over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          event.stopPropagation();
          over.value = true;
        }}
        onDragLeave={() => {
          over.value = false;
        }}
        onDrop={(event) => {
          event.preventDefault();
          event.stopPropagation();
          over.value = false;
          load(event.dataTransfer?.files[0]);
        }}
      >
        <canvas
          ref={canvas}
          width={0}
          height={0}
          class={data.ink ? "nw-ink" : undefined}
          role="img"
          aria-label={`${name}; paint on it with the pointer`}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            stroke(event);
          }}
          onPointerMove={stroke}
        />
        {slot && slot.grid > 0 && <ActivationMap state={state} data={data} slot={slot} />}
        {slot?.pooled == null && <p class="nw-quiet">Drop an image here.</p>}
      </div>
      <Total slot={slot} />
    </section>
  );
}

/** The activation of each position of the layer's map, or the share of the lit concept. */
function ActivationMap({ state, data, slot }: { state: State; data: ReadingsMessage; slot: Slot }) {
  const { grid, values, each, peak } = slot;
  const lit = state.lit.value;
  const width = data.concepts.length;
  const color = lit < 0 ? "#ee7733" : data.concepts[lit].color;
  const value = (i: number) => (lit < 0 ? values[i] : each[i * width + lit]);
  let most = 1e-9;
  for (let i = 0; i < values.length; i++) most = Math.max(most, value(i));
  if (lit < 0) most = Math.max(most, data.most);
  return (
    <div
      class="nw-activation-map"
      aria-hidden="true"
      style={{ gridTemplateColumns: `repeat(${grid}, 1fr)` }}
    >
      {Array.from(values, (_, i) => (
        <i
          key={i}
          class={i === peak ? "nw-map-peak" : undefined}
          style={{
            background: `color-mix(in srgb, ${color} ${Math.round(Math.min(1, Math.max(0, value(i) / most)) * 65)}%, transparent)`,
          }}
        />
      ))}
    </div>
  );
}

async function draw(node: HTMLCanvasElement | null, bytes: DataView | null): Promise<void> {
  if (!node || !bytes?.byteLength) return;
  try {
    const copy = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
    const image = await createImageBitmap(new Blob([copy]));
    [node.width, node.height] = [image.width, image.height];
    node.getContext("2d", { willReadFrequently: true })?.drawImage(image, 0, 0);
    node.style.imageRendering = image.width <= 64 ? "pixelated" : "auto";
    image.close();
  } catch {
    /* the kernel says what is wrong with it */
  }
}
