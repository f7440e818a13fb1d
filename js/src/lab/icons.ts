/** The extension's icons; their colours are those of JupyterLab's theme. */
import { LabIcon } from "@jupyterlab/ui-components";

const picture = (body: string, size = 16) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 ${size} ${size}">${body}</svg>`;

/** A tree cut into three concepts, as SplitExplorer draws it. */
export const neuronIcon = new LabIcon({
  name: "neuronwidgets:neuron",
  svgstr: picture(
    `<g fill="none" stroke-width="1.3"><path class="jp-icon3" stroke="#616161"
      d="M7.6 1v2.7M3.4 9.6V3.7h9.4v8M1.7 12V9.6h3.6V12"/></g>
    <circle cx="1.9" cy="13.4" r="1.7" fill="#4477aa"/>
    <circle cx="5.7" cy="13.4" r="1.7" fill="#ee6677"/>
    <circle cx="12.8" cy="13.4" r="1.7" fill="#228833"/>`,
  ),
});

/** A file of values. */
export const valuesIcon = new LabIcon({
  name: "neuronwidgets:values",
  svgstr: picture(
    `<g class="jp-icon3" fill="#616161"><path d="M2 2h3.4v3.4H2zM6.3 6.3h3.4v3.4H6.3zM2 10.6h3.4V14H2z"/>
      <path d="M10.6 2H14v3.4h-3.4zM10.6 10.6H14V14h-3.4z" opacity=".55"/>
      <path d="M6.3 2h3.4v3.4H6.3zM2 6.3h3.4v3.4H2zM10.6 6.3H14v3.4h-3.4zM6.3 10.6h3.4V14H6.3z" opacity=".22"/></g>`,
  ),
});
