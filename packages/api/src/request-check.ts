import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { TObject } from 'typebox';
import { badRequest, type FieldError } from './problem.js';

type Place = 'params' | 'query' | 'body';

const ajv = new Ajv2020({ allErrors: true, strict: false });

/** @returns a function that throws a ProblemError 400 naming every field at fault */
export function requestCheck(schema: TObject, place: Place): (value: unknown) => void {
  const validate = ajv.compile(schema);
  return (value) => {
    if (!validate(value))
      throw badRequest('The request is not valid.', fieldErrors(validate, place));
  };
}

/**
 * Parameters as their schema means them: decimal integers become numbers, and an empty one counts
 * as not given, save a cursor, whose first is empty. All else is left for the check to refuse.
 */
export function readParameters(
  raw: Readonly<Record<string, string | string[] | undefined>>,
  schema: TObject,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties)) {
    const value = raw[name];
    if (value === undefined || (value === '' && name !== 'cursor')) continue;
    const isInteger = 'type' in property && property.type === 'integer';
    values[name] = isInteger ? integer(value) : value;
  }
  return values;
}

function integer(value: string | string[]): unknown {
  return typeof value === 'string' && /^(0|-?[1-9][0-9]{0,16})$/.test(value)
    ? Number(value)
    : value;
}

function fieldErrors({ errors }: ValidateFunction, place: Place): FieldError[] {
  const told = new Map<string, FieldError>();
  for (const error of errors ?? []) {
    const field = fieldOf(error) || place;
    if (!told.has(field)) told.set(field, { field, message: messageOf(error) });
  }
  return [...told.values()].slice(0, 20);
}

function fieldOf({ instancePath, keyword, params }: ErrorObject): string {
  const path = instancePath.split('/').slice(1);
  if (keyword === 'required') path.push(String(params.missingProperty));
  return path.join('.');
}

function messageOf({ keyword, params, message }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'is required';
    case 'enum':
      return `must be one of ${params.allowedValues.join(', ')}`;
    case 'pattern':
      return 'holds a character that is not allowed';
    default:
      return message ?? 'is not valid';
  }
}
