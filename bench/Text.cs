using System.Globalization;

namespace Barkeep.Bench;

/// <summary>Numbers as text, the same everywhere.</summary>
static class Text
{
    public static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    public static string Of(double number, string format) => double.IsNaN(number) ? "-" : number.ToString(format, CultureInfo.InvariantCulture);
}
