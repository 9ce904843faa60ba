using Barkeep.Common;

namespace Barkeep.Configuration;

/// <summary>A server's name: that of its configuration file, without <c>.json</c>.</summary>
public readonly record struct ServerName : IComparable<ServerName>
{
    readonly string? _text;

    ServerName(string text) => _text = text;

    /// <summary>The prefix of the variables that override this server's keys: <c>BARMAN_MONTAGU_</c>.</summary>
    public string VariablePrefix =>
        $"BARMAN_{string.Concat(ToString().Select(static c => char.IsAsciiLetterOrDigit(c) ? char.ToUpperInvariant(c) : '_'))}_";

    /// <summary>Letters, digits, <c>_</c> and <c>-</c>, at most 40, beginning with a letter or digit; <c>all</c> is taken.</summary>
    public static bool TryParse(string text, out ServerName name)
    {
        var valid = text.Length is > 0 and <= 40 && char.IsAsciiLetterOrDigit(text[0]) && text != "all"
            && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');
        name = valid ? new(text) : default;
        return valid;
    }

    /// <exception cref="BarkeepException">Configuration.</exception>
    public static ServerName Parse(string text) => TryParse(text, out var name)
        ? name
        : throw new BarkeepException(ErrorKind.Configuration, $"'{text}' cannot be a server's name", "use letters, digits, _ and -, at most 40; not 'all'");

    public int CompareTo(ServerName other) => string.CompareOrdinal(ToString(), other.ToString());

    public override string ToString() => _text ?? "";

    public static bool operator <(ServerName a, ServerName b) => a.CompareTo(b) < 0;
    public static bool operator >(ServerName a, ServerName b) => a.CompareTo(b) > 0;
    public static bool operator <=(ServerName a, ServerName b) => a.CompareTo(b) <= 0;
    public static bool operator >=(ServerName a, ServerName b) => a.CompareTo(b) >= 0;
}
