/** What a process tells of itself at one moment: a figure by its name, labels and all. */
export type Metrics = (name: string) => number;

/** @param opsUrl of the process @throws where it does not answer */
export async function metricsOf(opsUrl: string): Promise<Metrics> {
  const response = await fetch(`${opsUrl}/metrics`);
  const text = await response.text();
  const figures = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (space > 0 && !line.startsWith('#')) {
      figures.set(line.slice(0, space), Number(line.slice(space + 1)));
    }
  }
  return (name) => {
    const figure = figures.get(name);
    if (figure === undefined) throw new Error(`${opsUrl} tells no ${name}.`);
    return figure;
  };
}
