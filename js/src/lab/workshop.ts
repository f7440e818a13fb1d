/** The workshop's notebooks: file and title, with a soft hyphen for the launcher's narrow cards.
 *
 * The build puts the files beside the script. */
export const WORKSHOP = [
  { name: "01_split_a_neuron.ipynb", title: "Split a neuron" },
  { name: "02_neurons_speak_in_ranges.ipynb", title: "Neurons speak in ranges" },
  { name: "03_engineering_monosemanticity.ipynb", title: "Engineering mono\u00adsemanticity" },
  { name: "04_what_a_neuron_does.ipynb", title: "What does a neuron do?" },
] as const;
