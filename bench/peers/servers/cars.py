"""The input of car-price, which the FastAPI servers share."""

from pydantic import BaseModel


class Car(BaseModel):
    company: str
    year: int
    km_driven: int
    fuel: str | None = None
    transmission: str | None = None
    owner: str | None = None
    seller_type: str | None = None
    mileage_mpg: float | None = None
    engine_cc: float | None = None
    max_power_bhp: float | None = None
    torque_nm: float | None = None
    seats: float | None = None
