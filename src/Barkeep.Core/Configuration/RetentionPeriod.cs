namespace Barkeep.Configuration;

/// <summary>The periods of which a <see cref="RetentionPolicy"/> keeps the newest backup each.</summary>
public enum RetentionPeriod
{
    Hourly,
    Daily,
    Weekly,
    Monthly,
}
