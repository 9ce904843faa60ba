namespace Barkeep.Postgres;

/// <summary>The rows that answer a simple query, as text or, for TIMELINE_HISTORY, as bytes; null is NULL.</summary>
sealed record WireResult(IReadOnlyList<string> Columns, IReadOnlyList<byte[]?[]> Rows)
{
    /// <summary>A column of the only row.</summary>
    /// <returns>Null when it is NULL or there is no row.</returns>
    public string? Text(string column) => Bytes(column) is { } bytes ? System.Text.Encoding.UTF8.GetString(bytes) : null;

    /// <summary>A column of the only row, as it came.</summary>
    public byte[]? Bytes(string column)
    {
        for (var i = 0; i < Columns.Count; i++)
        {
            if (Columns[i] == column)
            {
                return Rows.Count == 0 ? null : Rows[0][i];
            }
        }
        throw WireReader.Malformed($"the result has no column {column}");
    }
}
