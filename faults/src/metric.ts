/** A figure as operators see it, over all of its labels. @param opsUrl of the process */
export async function metric(opsUrl: string, name: string): Promise<number> {
  const response = await fetch(`${opsUrl}/metrics`);
  const lines = (await response.text()).split('\n');
  const figures = lines.filter(
    (line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`),
  );
  if (figures.length === 0) throw new Error(`${opsUrl} tells no ${name}.`);
  return figures.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
