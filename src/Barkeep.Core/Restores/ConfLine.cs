namespace Barkeep.Restores;

/// <summary>A setting or an include directive in a PostgreSQL configuration file.</summary>
/// <param name="File">Relative to the data directory.</param>
/// <param name="Number">Its line, from 1.</param>
/// <param name="Name">In lower case.</param>
public readonly record struct ConfLine(string File, int Number, string Name, string Value)
{
    public bool IsInclude => Name is "include" or "include_if_exists" or "include_dir";

    /// <summary>Reads one line; null when it sets nothing (guc-file.l: name, optional =, value bare or quoted, comment).</summary>
    public static ConfLine? TryParse(string file, int number, string line)
    {
        var text = line.AsSpan().Trim();
        var end = 0;
        while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] is '_' or '.' or '$' || text[end] > '\x7F'))
        {
            end++;
        }
        if (end == 0 || char.IsAsciiDigit(text[0]))
        {
            return null;
        }
        var name = text[..end].ToString().ToLowerInvariant();
        var rest = text[end..].TrimStart();
        if (rest is ['=', ..])
        {
            rest = rest[1..].TrimStart();
        }
        return rest.IsEmpty || rest[0] == '#' ? null : new(file, number, name, ValueOf(rest));
    }

    static string ValueOf(ReadOnlySpan<char> text)
    {
        if (text[0] != '\'')
        {
            var end = text.IndexOfAny(" \t#");
            return (end < 0 ? text : text[..end]).ToString();
        }
        var value = new System.Text.StringBuilder();
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] == '\'')
            {
                if (i + 1 == text.Length || text[i + 1] != '\'')
                {
                    break;
                }
                i++;
            }
            else if (text[i] == '\\' && i + 1 < text.Length)
            {
                i++;
            }
            value.Append(text[i]);
        }
        return value.ToString();
    }
}
