using Barkeep.Common;
using Barkeep.Wal;

namespace Barkeep.Cli.Shared;

/// <summary>A time that an option gives.</summary>
static class TimeValue
{
    /// <summary>Reads it. An assumption about its zone is said aloud.</summary>
    /// <exception cref="BarkeepException">Usage, with the option's name.</exception>
    public static DateTimeOffset Read(Session session, string option, string text)
    {
        try
        {
            var time = TimeText.Parse(text, session.Time.LocalTimeZone);
            if (time.IsZoneAssumed)
            {
                session.Output.Warning($"{option} '{text}' has no zone: taken in this machine's ({session.Time.LocalTimeZone.Id}), it is {TimestampTz.From(time.Time).Print(session.Time.LocalTimeZone)}");
            }
            return time.Time;
        }
        catch (BarkeepException e) when (e.Kind == ErrorKind.Usage)
        {
            throw new BarkeepException(e.Kind, $"{option}: {e.Message}", e.Hint, e);
        }
    }
}
