using System.CommandLine;
using System.Globalization;

namespace Barkeep.Cli.Shared;

/// <summary>Options that take a whole number within bounds.</summary>
static class NumberOption
{
    public static Option<int?> Between(int min, int max, string description, string name, params string[] aliases) => new(name, aliases)
    {
        Description = description,
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
            {
                return number;
            }
            result.AddError($"{name} is '{text}', not a whole number {(max == int.MaxValue ? $"of at least {min}" : $"from {min} to {max}")}");
            return null;
        },
    };
}
