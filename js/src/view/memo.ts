/**
 * A component that is drawn again only when its properties change.
 *
 * Preact's own is in `preact/compat`, which as soon as it is imported makes every `onChange` of a
 * field an `onInput`: a number would be committed at each of its digits.
 */
import { Component, type ComponentType, h } from "preact";

export function memo<Props extends object>(
  Inner: ComponentType<Props>,
  same: (a: Props, b: Props) => boolean = shallow,
): ComponentType<Props> {
  return class extends Component<Props> {
    override shouldComponentUpdate(next: Props) {
      return !same(this.props, next);
    }
    override render() {
      return h(Inner, this.props);
    }
  };
}

function shallow<Props extends object>(a: Props, b: Props): boolean {
  const names = Object.keys(a) as (keyof Props)[];
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
